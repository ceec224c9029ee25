/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is not given follows from what is: the control socket from the runtime
 * folder, the scratch folder from the state folder.  Paths are made absolute at
 * once: they go into journals, which a daemon started elsewhere reads. */
#include <config.h>

#include <limits.h>

#include <glib.h>

#include "command-line.h"
#include "options.h"

#define MIB (UINT64_C (1) << 20)
/* What the first guest write may need. */
#define SCRATCH_LEAST 65536

static char *
absolute_path (const char *path)
{
  return g_canonicalize_filename (path, NULL);
}

/* NULL: none is given. */
static const char *const *
absolute_paths (const struct command_line_texts *texts)
{
  char **paths = texts->n == 0 ? NULL : g_new0 (char *, texts->n + 1);

  for (unsigned i = 0; i < texts->n; i++)
    paths[i] = absolute_path (texts->items[i]);
  return (const char *const *) paths;
}

static void
options_fill (struct options *options, const char *const given[6],
              const int limits[4])
{
  options->runtime_dir =
    absolute_path (given[0] != NULL ? given[0] : PULLBACK_RUNTIMEDIR);
  options->state_dir =
    absolute_path (given[1] != NULL ? given[1] : PULLBACK_STATEDIR);
  options->scratch_is_default = given[2] == NULL;
  options->scratch_dir = given[2] != NULL ? absolute_path (given[2])
    : g_build_filename (options->state_dir, "fleece", NULL);
  options->socket = given[3] != NULL ? absolute_path (given[3])
    : g_build_filename (options->runtime_dir, "control.sock", NULL);
  options->metrics_file = given[4] == NULL ? NULL : absolute_path (given[4]);
  options->metrics_listen = g_strdup (given[5]);
  options->default_ttl = limits[0];
  options->default_idle_timeout = limits[1];
  options->sink_limit_ms = limits[2];
  options->sink_wait = limits[3];
}

static const char help[] =
  "Usage:\n"
  "  pullback-backupd [OPTION...]\n"
  "\n"
  "Coordinates backups of QEMU virtual machines over NBD.\n"
  "\n"
  "Help Options:\n"
  "  -h, --help                         Show help options\n"
  "\n"
  "Application Options:\n"
  "  --runtime-dir=DIR                  sockets (default " PULLBACK_RUNTIMEDIR
  ")\n"
  "  --state-dir=DIR                    checkpoints (default "
  PULLBACK_STATEDIR ")\n"
  "  --scratch-dir=DIR                  old data (default STATE/fleece)\n"
  "  --socket=PATH                      control (default RUNTIME/control.sock)"
  "\n"
  "  --gateway-user=NAME                of NBD servers (" OPTIONS_GATEWAY_USER
  ")\n"
  "  --default-ttl=SECONDS              --ttl of backups begun without one\n"
  "  --default-idle-timeout=SECONDS     the same for --idle-timeout\n"
  "  --scratch-limit=SIZE               most that all backups may keep there\n"
  "  --sink-limit=MS                    longest write to scratch (10000; 0: any)"
  "\n"
  "  --sink-wait=SECONDS                wait for a lost sink (86400; 0: ever)\n"
  "  --max-rate=SIZE                    bytes per second of all backups together\n"
  "  --pace-floor=SIZE                  pull's least, guest working (16M)\n"
  "  --restore-folder=DIR               restore only below this; may repeat\n"
  "  --metrics-file=PATH                for node_exporter's textfile collector"
  "\n"
  "  --metrics-listen=WHERE             HTTP: [ADDRESS:]PORT or a socket's PATH"
  "\n"
  "  --systemd-scopes                   children in units of their own\n"
  "  -v, --verbose                      also log debug messages\n"
  "  -V, --version                      show the version\n"
  "\n";

int
options_parse (int argc, char **argv, struct options *options,
               struct failure *why)
{
  const char *given[6] = { NULL };
  /* Of a backup, of an idle one, of a write to scratch, of a missing sink. */
  int limits[4] = { 0, 0, 10000, 86400 };
  struct command_line_texts folders = {
    .items = g_new0 (const char *, argc + 1)
  };
#define LIMIT(option, i, of) \
  { .name = option, .number = &limits[i], .most = INT_MAX, .unit = of }
  const struct command_line_option table[] = {
    { .name = "runtime-dir", .text = &given[0] },
    { .name = "state-dir", .text = &given[1] },
    { .name = "scratch-dir", .text = &given[2] },
    { .name = "socket", .text = &given[3] },
    { .name = "gateway-user", .text = &options->gateway_user },
    { .name = "restore-folder", .texts = &folders },
    { .name = "metrics-file", .text = &given[4] },
    { .name = "metrics-listen", .text = &given[5] },
    LIMIT ("default-ttl", 0, "seconds"),
    LIMIT ("default-idle-timeout", 1, "seconds"),
    LIMIT ("sink-limit", 2, "milliseconds"),
    LIMIT ("sink-wait", 3, "seconds"),
    { .name = "max-rate", .size = &options->max_rate, .size_least = MIB },
    { .name = "pace-floor", .size = &options->pace_floor, .size_least = MIB },
    { .name = "scratch-limit", .size = &options->scratch_limit,
      .size_least = SCRATCH_LEAST },
    { .name = "systemd-scopes", .flag = &options->systemd_scopes },
    { .name = "verbose", .letter = 'v', .flag = &options->verbose },
    { .name = NULL }
  };
#undef LIMIT
  int r = command_line_parse (argc, argv, "pullback-backupd", help, table, why);

  if (r == 0)
    options_fill (options, given, limits);
  if (r == 0)
    options->restore_folders = absolute_paths (&folders);
  g_free (folders.items);
  return r;
}

void
options_clear (struct options *options)
{
  g_free (options->runtime_dir);
  g_free (options->state_dir);
  g_free (options->scratch_dir);
  g_free (options->socket);
  g_free (options->metrics_file);
  g_free (options->metrics_listen);
  g_strfreev ((char **) options->restore_folders);
}
