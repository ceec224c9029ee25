/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* pullback-differ: a process of its own, as comparing two disks is hours of work that may
 * be stopped or killed at any moment without harm to anything but itself. */
#include <config.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>

#include "command-line.h"
#include "differ-job.h"
#include "file.h"
#include "json-members.h"
#include "log.h"

#define CONNECTIONS 4
#define LINE_SIZE 512
/* For the last line. */
#define LAST_MS 1000

struct options {
  const char *source, *target;
  const char *progress;         /* NULL: only the last line, for people */
  const char *status;           /* a file; NULL: none */
  bool json;
  struct differ_choice choice;
  int connections;
};

struct teller {
  const struct options *options;
  struct differ_pace pace;
  bool at_terminal;
};

static const char help_text[] =
  "Usage: pullback-differ [OPTIONS] SOURCE-URI TARGET-URI\n"
  "Makes the disk at TARGET-URI equal to that at SOURCE-URI by writing only what\n"
  "differs.  Both are of NBD servers, such as nbd+unix:///vda?socket=PATH.\n"
  "\n"
  "  --verify             read what was written again, and compare\n"
  "  --no-trim            what is zeroed keeps its storage\n"
  "  --zero-rest          zero what a larger target has behind the source's end\n"
  "  --connections N      to each server that allows several, 1 to 16 (default 4)\n"
  "  --progress[=KIND]    how far it is, each second: text (on a terminal) or json\n"
  "  --status FILE        how far it is, each second, in this file\n"
  "  --help               show this text and exit\n"
  "  --version            show the version and exit\n";

static int
parse (int argc, char **argv, struct options *options, struct failure *why)
{
  const struct command_line_option table[] = {
    { .name = "SOURCE-URI", .word = &options->source },
    { .name = "TARGET-URI", .word = &options->target },
    { .name = "verify", .flag = &options->choice.verify },
    { .name = "no-trim", .flag = &options->choice.no_trim },
    { .name = "zero-rest", .flag = &options->choice.zero_rest },
    { .name = "connections", .number = &options->connections, .least = 1,
      .most = DIFFER_CONNECTIONS_MOST, .unit = "connections" },
    { .name = "status", .text = &options->status },
    { .name = "progress", .text = &options->progress, .implied = "text" },
    { .name = NULL }
  };
  int r = command_line_parse (argc, argv, "pullback-differ", help_text, table,
                              why);

  if (r != 0 || options->progress == NULL)
    return r;
  options->json = strcmp (options->progress, "json") == 0;
  if (!options->json && strcmp (options->progress, "text") != 0)
    return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL, "--progress is text "
                        "or json, not %.200s; see --help", options->progress);
  return 0;
}

/* --- progress ---------------------------------------------------------------- */

/* Who does not read what we say does not hold us. */
static void
print (const char *line, int wait_ms)
{
  struct pollfd out = { .fd = STDOUT_FILENO, .events = POLLOUT };

  if (poll (&out, 1, wait_ms) == 1 && (out.revents & POLLOUT) != 0) {
    fputs (line, stdout);
    fflush (stdout);
  }
}

/* Whoever looks there is told of a failure by it as well.  Of one to write it nothing is
 * said: the work does not depend on it. */
static void
put_status (const struct options *options, const struct differ_counts *counts,
            uint64_t rate, const char *reason)
{
  CLEANUP_JSON json_object *o = NULL;
  char line[LINE_SIZE];
  const char *text;

  if (options->status == NULL)
    return;
  differ_counts_json (counts, rate, line, sizeof line);
  o = json_tokener_parse (line);
  json_add_known (o, "reason", reason);
  text = json_object_to_json_string_ext (o, JSON_C_TO_STRING_PLAIN);
  if (file_replace (options->status, text, strlen (text)) < 0)
    log_debug ("cannot write %s", options->status);
}

static void
tell (const struct differ_counts *counts, void *opaque)
{
  struct teller *teller = opaque;
  uint64_t rate = differ_counts_rate (&teller->pace, counts, false);
  char text[LINE_SIZE], line[LINE_SIZE + 16];

  put_status (teller->options, counts, rate, NULL);
  if (teller->options->json) {
    differ_counts_json (counts, rate, text, sizeof text);
    snprintf (line, sizeof line, "%s\n", text);
    print (line, 0);
  } else if (teller->options->progress != NULL && teller->at_terminal) {
    differ_counts_text (counts, rate, text, sizeof text);
    snprintf (line, sizeof line, "\r%s\033[K", text);
    print (line, 0);
  }
}

static void
tell_last (const struct differ_counts *counts, struct teller *teller,
           const struct failure *why)
{
  uint64_t rate = differ_counts_rate (&teller->pace, counts, true);
  bool clear = !teller->options->json && teller->options->progress != NULL &&
               teller->at_terminal;
  char text[LINE_SIZE], line[LINE_SIZE + 16];

  put_status (teller->options, counts, rate,
              why->error != 0 ? why->text : NULL);
  if (teller->options->json)
    differ_counts_json (counts, rate, text, sizeof text);
  else
    differ_counts_text (counts, rate, text, sizeof text);
  snprintf (line, sizeof line, "%s%s\n", clear ? "\r\033[K" : "", text);
  print (line, LAST_MS);
}

/* --- main ---------------------------------------------------------------------- */

static int
open_signals (void)
{
  sigset_t set;

  signal (SIGPIPE, SIG_IGN);
  sigemptyset (&set);
  sigaddset (&set, SIGTERM);
  sigaddset (&set, SIGINT);
  sigaddset (&set, SIGHUP);
  sigprocmask (SIG_BLOCK, &set, NULL);
  return signalfd (-1, &set, SFD_CLOEXEC);
}

static int
open_sides (const struct options *options, struct differ_job *job,
            struct failure *why)
{
  int r = differ_side_open (options->source, false, options->connections,
                            job->stop, &job->source, why);

  if (r == 0)
    r = differ_side_open (options->target, true, options->connections,
                          job->stop, &job->target, why);
  if (r < 0)
    differ_side_close (job->source);
  return r;
}

static int
run (const struct options *options, struct failure *why)
{
  struct teller teller = { .options = options,
                           .at_terminal = isatty (STDOUT_FILENO) };
  struct differ_job job = { .choice = options->choice, .tell = tell,
                            .opaque = &teller, .stop = open_signals () };
  struct differ_counts counts = { .state = DIFFER_COMPARING };
  int r;

  if (job.stop < 0)
    return failure_set (why, FAILURE_GENERIC, errno,
                        "cannot watch for signals: %s", strerror (errno));
  differ_counts_start (&teller.pace);
  put_status (options, &counts, 0, NULL);
  r = open_sides (options, &job, why);
  if (r == 0)
    r = differ_job_run (&job, &counts, why);
  else
    counts.state = r == -EINTR ? DIFFER_STOPPED : DIFFER_FAILED;
  tell_last (&counts, &teller, why);
  if (r == 0 && counts.left > 0)
    log_warning ("the target is larger than the source: its last %llu bytes "
                 "were left as they are; --zero-rest zeroes them",
                 (unsigned long long) counts.left);
  return r;
}

int
main (int argc, char **argv)
{
  struct options options = { .connections = CONNECTIONS };
  struct failure why = { .error = 0 };
  int r;

  log_open ("pullback-differ", LOG_LEVEL_INFO);
  r = parse (argc, argv, &options, &why);
  if (r < 0) {
    log_error ("%s", why.text);
    return 2;
  }
  if (r == 0)
    r = run (&options, &why);
  if (r < 0)
    log_error ("%s", why.text);
  return r < 0 ? 1 : 0;
}
