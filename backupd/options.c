/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is not given follows from what is: the control socket from the runtime
 * folder, the scratch folder from the state folder.  Paths are made absolute at
 * once: they go into journals, which a daemon started elsewhere reads. */
#include <config.h>

#include <errno.h>
#include <stdio.h>

#include <glib.h>

#include "options.h"

static char *
absolute_path (const char *path)
{
  return g_canonicalize_filename (path, NULL);
}

/* The sentence of what is wrong, or NULL. */
static char *
options_check (int argc, char **argv, const int limits[4])
{
  int i;

  if (argc > 1)
    return g_strdup_printf ("unexpected argument \"%s\"", argv[1]);
  for (i = 0; i < 4; i++)
    if (limits[i] < 0)
      return g_strdup ("a time limit cannot be negative");
  return NULL;
}

static void
options_fill (struct options *options, char *const given[4],
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
  options->default_ttl = limits[0];
  options->default_idle_timeout = limits[1];
  options->sink_limit_ms = limits[2];
  options->sink_wait = limits[3];
}

int
options_parse (int *argc, char ***argv, struct options *options,
               char **sentence)
{
  char *given[4] = { NULL, NULL, NULL, NULL };
  /* Of a backup, of an idle one, of a write to scratch, of a missing sink. */
  int limits[4] = { 0, 0, 10000, 86400 };
  gboolean verbose = FALSE, version = FALSE;
  const GOptionEntry entries[] = {
    { "runtime-dir", 0, 0, G_OPTION_ARG_FILENAME, &given[0],
      "sockets (default " PULLBACK_RUNTIMEDIR ")", "DIR" },
    { "state-dir", 0, 0, G_OPTION_ARG_FILENAME, &given[1],
      "checkpoints (default " PULLBACK_STATEDIR ")", "DIR" },
    { "scratch-dir", 0, 0, G_OPTION_ARG_FILENAME, &given[2],
      "old data (default STATE/fleece)", "DIR" },
    { "socket", 0, 0, G_OPTION_ARG_FILENAME, &given[3],
      "control (default RUNTIME/control.sock)", "PATH" },
    { "default-ttl", 0, 0, G_OPTION_ARG_INT, &limits[0],
      "--ttl of backups begun without one", "SECONDS" },
    { "default-idle-timeout", 0, 0, G_OPTION_ARG_INT, &limits[1],
      "the same for --idle-timeout", "SECONDS" },
    { "sink-limit", 0, 0, G_OPTION_ARG_INT, &limits[2],
      "longest write to scratch (10000; 0: any)", "MS" },
    { "sink-wait", 0, 0, G_OPTION_ARG_INT, &limits[3],
      "wait for a lost sink (86400; 0: ever)", "SECONDS" },
    { "verbose", 'v', 0, G_OPTION_ARG_NONE, &verbose,
      "also log debug messages", NULL },
    { "version", 'V', 0, G_OPTION_ARG_NONE, &version,
      "show the version", NULL },
    { NULL, 0, 0, G_OPTION_ARG_NONE, NULL, NULL, NULL }
  };
  GOptionContext *context = g_option_context_new (NULL);
  g_autoptr (GError) error = NULL;
  int i, r = 0;

  g_option_context_set_summary (context,
                                "Coordinates backups of QEMU virtual machines "
                                "over NBD.");
  g_option_context_add_main_entries (context, entries, NULL);
  if (!g_option_context_parse (context, argc, argv, &error)) {
    *sentence = g_strdup (error->message);
    r = -EINVAL;
  }
  else if ((*sentence = options_check (*argc, *argv, limits)) !=
           NULL)
    r = -EINVAL;
  else if (version) {
    printf ("pullback-backupd %s\n", PACKAGE_VERSION);
    r = 1;
  }
  else {
    options_fill (options, given, limits);
    options->verbose = verbose;
  }
  g_option_context_free (context);
  for (i = 0; i < 4; i++)
    g_free (given[i]);
  return r;
}

void
options_clear (struct options *options)
{
  g_free (options->runtime_dir);
  g_free (options->state_dir);
  g_free (options->scratch_dir);
  g_free (options->socket);
}
