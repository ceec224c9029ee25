/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* pullback-quiesce: freezes a guest's file systems by its agent and thaws them,
 * come what may.  It is a process of its own so that neither the death nor the
 * hanging of whoever asked for the freeze can keep the guest frozen: the thaw
 * follows a line on standard input, its end, a signal, or our own timer.
 *
 * From the moment when the freeze may have reached the agent, every way out leads
 * through thaw (). */
#include <config.h>

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>

#include "command-line.h"
#include "deadline.h"
#include "log.h"
#include "quiesce-agent.h"
#include "quiesce.h"

/* One try to thaw; then the request is sent again. */
#define THAW_TRY_MS 5000
#define PAUSE_MS 200
/* For an agent that refused the freeze to say that nothing is frozen. */
#define REFUSAL_MS 1000

struct options {
  const char *agent;
  int sync_ms, freeze_ms, limit_ms, thaw_ms;
  bool thaw_only;
};

static const char help_text[] =
  "Usage: pullback-quiesce --agent PATH [OPTIONS]\n"
  "Freezes the file systems of a guest by its agent, prints \"frozen N\", thaws\n"
  "them at the line \"thaw\" or the end of standard input or when the time limit\n"
  "has passed, and prints \"thawed MS REASON\".\n"
  "\n"
  "  --agent PATH         unix socket of the QEMU guest agent, or \"URI UUID\" of\n"
  "                       libvirt's\n"
  "  --limit MS           never keep them frozen longer (default 10000)\n"
  "  --sync-timeout MS    for the agent to answer at all (default 3000)\n"
  "  --freeze-timeout MS  for the freeze (default 10000)\n"
  "  --thaw-timeout MS    for trying to thaw (default 120000)\n"
  "  --thaw               only thaw\n"
  "  --help               show this text and exit\n"
  "  --version            show the version and exit\n";

static int
parse (int argc, char **argv, struct options *options, struct failure *why)
{
#define MS(option, member) \
  { .name = option, .number = &options->member, .least = 1, \
    .most = QUIESCE_MS_MAX, .unit = "milliseconds" }
  const struct command_line_option table[] = {
    { .name = "agent", .text = &options->agent, .needed = "PATH" },
    MS ("limit", limit_ms),
    MS ("sync-timeout", sync_ms),
    MS ("freeze-timeout", freeze_ms),
    MS ("thaw-timeout", thaw_ms),
    { .name = "thaw", .flag = &options->thaw_only },
    { .name = NULL }
  };
#undef MS

  return command_line_parse (argc, argv, "pullback-quiesce", help_text, table,
                             why);
}

/* --- thaw ---------------------------------------------------------------------------- */

/* Does the agent say that nothing is frozen? */
static bool
says_thawed (struct quiesce_agent *agent, int64_t deadline)
{
  json_object *status = NULL;
  struct failure ignored = { .error = 0 };
  bool thawed;

  if (quiesce_agent_call (agent, "guest-fsfreeze-status", deadline, &status,
                  &ignored) < 0)
    return false;
  thawed = json_object_is_type (status, json_type_string) &&
           strcmp (json_object_get_string (status), "thawed") == 0;
  json_object_put (status);
  return thawed;
}

/* 0 with what was thawed in *COUNT; else it must be tried again. */
static int
try_thaw (struct quiesce_agent *agent, const char *path, int64_t deadline,
          int64_t *count, struct failure *why)
{
  json_object *result = NULL;
  int64_t until = now_ms () + THAW_TRY_MS;
  int r = 0;

  if (until > deadline)
    until = deadline;
  if (agent->fd < 0)
    r = quiesce_agent_open (agent, path, until, why);
  if (r == 0)
    r = quiesce_agent_call (agent, "guest-fsfreeze-thaw", until, &result, why);
  if (r == 0) {
    *count = json_object_get_int64 (result);
    json_object_put (result);
  } else if (r == -EREMOTEIO && says_thawed (agent, until)) {
    /* Windows thaws by itself after a while, and then calls that an error. */
    *count = 0;
    return 0;
  } else if (r != -ETIMEDOUT && r != -EREMOTEIO)
    quiesce_agent_close (agent);
  return r;
}

/* Thaws, again and again until it worked, QEMU is gone or time is up. */
static int
thaw (struct quiesce_agent *agent, const struct options *options, int64_t *count,
      struct failure *why)
{
  int64_t deadline = now_ms () + options->thaw_ms;

  for (;;) {
    struct failure one = { .error = 0 };
    int r = try_thaw (agent, options->agent, deadline, count, &one);

    if (r == 0)
      return 0;
    if (r == -ENOENT || r == -ECONNREFUSED || ms_left (deadline) == 0)
      return failure_set (why, one.class, one.error, "the guest's file systems "
                          QUIESCE_MAY_BE_FROZEN ": %s", one.text);
    poll (NULL, 0, PAUSE_MS);
  }
}

/* --- freeze -------------------------------------------------------------------------- */

/* Is there an agent, and has nobody else frozen the guest? */
static int
look (struct quiesce_agent *agent, const struct options *options, struct failure *why)
{
  int64_t deadline = now_ms () + options->sync_ms;
  json_object *status = NULL;
  bool frozen;
  int r = quiesce_agent_open (agent, options->agent, deadline, why);

  if (r == 0)
    r = quiesce_agent_call (agent, "guest-fsfreeze-status", deadline, &status, why);
  if (r < 0)
    return r;
  frozen = json_object_is_type (status, json_type_string) &&
           strcmp (json_object_get_string (status), "frozen") == 0;
  json_object_put (status);
  if (frozen)
    return failure_set (why, FAILURE_BUSY, EBUSY, "somebody else has frozen the "
                        "guest's file systems: thaw them first");
  return 0;
}

/* Waits for a reason to thaw, and returns it. */
static const char *
wait_for_reason (int signals, int64_t deadline)
{
  struct pollfd polled[2] = {
    { .fd = STDIN_FILENO, .events = POLLIN },
    { .fd = signals, .events = POLLIN }
  };
  char line[64];
  size_t length = 0;

  for (;;) {
    ssize_t n;

    if (ms_left (deadline) == 0)
      return "limit";
    if (poll (polled, 2, ms_left (deadline)) < 0 && errno != EINTR)
      return "error";
    if (polled[1].revents != 0)
      return "signal";
    if (polled[0].revents == 0)
      continue;
    n = read (STDIN_FILENO, line + length, sizeof line - 1 - length);
    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0)
      return "eof";
    length += (size_t) n;
    line[length] = '\0';
    /* Nobody has anything else to say to us: then better thaw. */
    if (strchr (line, '\n') != NULL || length == sizeof line - 1)
      return strcmp (line, "thaw\n") == 0 ? "asked" : "garbage";
  }
}

static int64_t
microseconds (void)
{
  struct timespec now;

  clock_gettime (CLOCK_MONOTONIC, &now);
  return (int64_t) now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* Whoever waits need not wait for the thaw.  But unless it is certain that the freeze
 * was refused, he is told that he has to see to the thaw as well. */
static void
tell_failed_freeze (struct quiesce_agent *agent, int r, const char *text)
{
  if (r == -EREMOTEIO && says_thawed (agent, now_ms () + REFUSAL_MS))
    log_error ("%s", text);
  else
    log_error ("%s; the guest " QUIESCE_MAY_BE_FROZEN ", and is being thawed",
               text);
}

static int
freeze_and_thaw (struct quiesce_agent *agent, const struct options *options,
                 int signals, struct failure *why)
{
  int64_t begin, frozen = 0, thawed = 0;
  struct failure thaw_why = { .error = 0 };
  json_object *result = NULL;
  const char *reason = "failed";
  int r = look (agent, options, why);

  if (r < 0) {
    log_error ("%s", why->text);
    return r;
  }
  begin = microseconds ();
  r = quiesce_agent_call (agent, "guest-fsfreeze-freeze",
                  now_ms () + options->freeze_ms, &result, why);
  if (r == 0) {
    frozen = json_object_get_int64 (result);
    json_object_put (result);
    printf ("frozen %" PRIi64 "\n", frozen);
    reason = wait_for_reason (signals, now_ms () + options->limit_ms);
  } else
    tell_failed_freeze (agent, r, why->text);
  if (thaw (agent, options, &thawed, &thaw_why) < 0) {
    log_error ("%s", thaw_why.text);
    return r < 0 ? r : -thaw_why.error;
  }
  if (thawed == 0 && frozen > 0 && strcmp (reason, "asked") == 0)
    reason = "early";
  printf ("thawed %.1f %s\n", (double) (microseconds () - begin) / 1000,
          reason);
  return r;
}

/* --- main ---------------------------------------------------------------------------- */

/* Signals that ask us to end ask for the thaw. */
static int
open_signals (void)
{
  sigset_t set;

  signal (SIGPIPE, SIG_IGN);
  sigemptyset (&set);
  sigaddset (&set, SIGTERM);
  sigaddset (&set, SIGINT);
  sigaddset (&set, SIGHUP);
  sigaddset (&set, SIGQUIT);
  sigprocmask (SIG_BLOCK, &set, NULL);
  return signalfd (-1, &set, SFD_CLOEXEC);
}

static int
run (const struct options *options, struct failure *why)
{
  struct quiesce_agent agent = { .fd = -1 };
  int64_t count;
  int signals = open_signals ();
  int r;

  if (signals < 0) {
    log_error ("cannot watch for signals: %s", strerror (errno));
    return -EMFILE;
  }
  if (options->thaw_only) {
    r = thaw (&agent, options, &count, why);
    if (r < 0)
      log_error ("%s", why->text);
    else
      printf ("thawed 0.0 asked\n");
  } else
    r = freeze_and_thaw (&agent, options, signals, why);
  quiesce_agent_close (&agent);
  return r;
}

int
main (int argc, char **argv)
{
  struct options options = {
    .sync_ms = QUIESCE_SYNC_MS, .freeze_ms = QUIESCE_FREEZE_MS,
    .limit_ms = QUIESCE_LIMIT_MS, .thaw_ms = QUIESCE_THAW_MS
  };
  struct failure why = { .error = 0 };
  int r;

  log_open ("pullback-quiesce", LOG_LEVEL_INFO);
  setvbuf (stdout, NULL, _IOLBF, 0);
  r = parse (argc, argv, &options, &why);
  if (r < 0) {
    log_error ("%s", why.text);
    return 2;
  }
  if (r == 0)
    r = run (&options, &why);
  return r < 0 ? 1 : 0;
}
