/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The child's standard input is a pipe that only we hold: if we die it ends,
 * and the child thaws.  It is never killed, and where it takes long to thaw we
 * do not wait. */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <glib.h>

#include "deadline.h"
#include "log.h"
#include "process-self.h"
#include "process-spawn.h"
#include "quiesce-journal.h"
#include "quiesce.h"

#define PROGRAM "pullback-quiesce"
/* Over what the child takes by its own timers. */
#define GRACE_MS 2000
/* For the thaw to be confirmed. */
#define THAW_WAIT_MS 15000
#define THAW_AGAIN_MS 5000

struct quiesce {
  char *agent;
  char *journal;                /* NULL: none */
  struct process process;
  int in, out;                  /* the child's standard input and output */
  bool nothing_frozen;
  size_t length;                /* of what is read and not yet taken */
  char buffer[4096];
};

/* --- the process ----------------------------------------------------------------- */

/* FD_IN and FD_OUT stay the caller's. */
static int
spawn (char *const argv[], int fd_in, int fd_out, struct process *process)
{
  g_autofree char *program = process_self_program (PROGRAM, NULL);

  if (program == NULL)
    return -ENOENT;
  return process_spawn (&(struct process_spec) {
                          .program = program, .argv = argv,
                          .descriptors = (int[]) { fd_in, fd_out, fd_out },
                          .n_descriptors = 3 }, process);
}

static int
start (const char *agent, char *const argv[], struct quiesce **ret,
       struct failure *why)
{
  CLEANUP_FD int child_in = -1;
  CLEANUP_FD int child_out = -1;
  struct quiesce *quiesce = g_new0 (struct quiesce, 1);
  int in[2] = { -1, -1 }, out[2] = { -1, -1 };
  int r = 0;

  if (pipe2 (in, O_CLOEXEC) < 0 || pipe2 (out, O_CLOEXEC) < 0)
    r = -errno;
  child_in = in[0];
  child_out = out[1];
  quiesce->in = in[1];
  quiesce->out = out[0];
  if (r == 0)
    r = spawn (argv, child_in, child_out, &quiesce->process);
  if (r == 0) {
    quiesce->agent = g_strdup (agent);
    *ret = quiesce;
    return 0;
  }
  if (in[1] >= 0)
    close (in[1]);
  if (out[0] >= 0)
    close (out[0]);
  g_free (quiesce);
  return failure_set (why, FAILURE_GENERIC, -r,
                      PROGRAM " cannot be started: %s", g_strerror (-r));
}

/* Lets the child go. */
static void
release (struct quiesce *quiesce)
{
  close (quiesce->in);
  close (quiesce->out);
  process_let_go (&quiesce->process);
  g_free (quiesce->agent);
  g_free (quiesce->journal);
  g_free (quiesce);
}

/* The child's next line, without its end.  -ECONNRESET: it has ended. */
static int
read_line (struct quiesce *quiesce, int64_t deadline, char **line)
{
  char *newline;

  while ((newline = memchr (quiesce->buffer, '\n', quiesce->length)) == NULL) {
    struct pollfd polled = { .fd = quiesce->out, .events = POLLIN };
    ssize_t n;

    if (quiesce->length == sizeof quiesce->buffer)
      return -EPROTO;
    if (poll (&polled, 1, ms_left (deadline)) == 0)
      return -ETIMEDOUT;
    n = read (quiesce->out, quiesce->buffer + quiesce->length,
              sizeof quiesce->buffer - quiesce->length);
    if (n == 0)
      return -ECONNRESET;
    if (n < 0 && errno != EINTR)
      return -errno;
    quiesce->length += n < 0 ? 0 : (size_t) n;
  }
  *line = g_strndup (quiesce->buffer, (gsize) (newline - quiesce->buffer));
  quiesce->length -= strlen (*line) + 1;
  memmove (quiesce->buffer, newline + 1, quiesce->length);
  return 0;
}

/* --- the calls ---------------------------------------------------------------------- */

/* A line that is no answer is the sentence of a failure. */
static void
take_sentence (const char *line, struct failure *why)
{
  const char *prefix = PROGRAM ": error: ";
  const char *text = g_str_has_prefix (line, prefix) ? line + strlen (prefix)
                                                     : line;

  failure_set (why, FAILURE_GENERIC, EIO, "the guest cannot be quiesced: %s",
               text);
}

static int
wait_frozen (struct quiesce *quiesce, int64_t deadline, struct failure *why)
{
  g_autofree char *line = NULL;
  long long frozen;
  int r = read_line (quiesce, deadline, &line);

  if (r < 0)
    return failure_set (why, FAILURE_GENERIC, -r, "the guest cannot be "
                        "quiesced: " PROGRAM " gives no answer");
  if (sscanf (line, "frozen %lld", &frozen) == 1) {
    quiesce->nothing_frozen = frozen == 0;
    return 0;
  }
  take_sentence (line, why);
  return strstr (line, QUIESCE_MAY_BE_FROZEN) == NULL ? -EIO : -EBUSY;
}

/* Where it must thaw, it still does; but it tries for a while only, and somebody may
 * kill it.  The journal stays where the guest may be frozen and nobody has said that
 * it was thawed. */
static void
give_up (struct quiesce *quiesce, int r)
{
  struct failure why = { .error = 0 };
  g_autofree char *agent = g_strdup (quiesce->agent);
  g_autofree char *journal = g_strdup (quiesce->journal);

  release (quiesce);
  if (r == -ECONNRESET)
    r = quiesce_thaw (agent, &why) < 0 ? r : 0;
  if (why.error != 0)
    log_warning ("%s", why.text);
  if (r == 0 || r == -EIO)
    quiesce_journal_remove (journal);
}

int
quiesce_begin (const char *agent, const struct quiesce_limits *limits,
               const char *journal, const char *qemu, struct quiesce **ret,
               struct failure *why)
{
  const struct quiesce_limits usual = { QUIESCE_SYNC_MS, QUIESCE_FREEZE_MS,
                                        QUIESCE_LIMIT_MS };
  char sync[16], freeze[16], limit[16];
  char *argv[] = { (char *) PROGRAM, (char *) "--agent", (char *) agent,
                   (char *) "--sync-timeout", sync,
                   (char *) "--freeze-timeout", freeze,
                   (char *) "--limit", limit, NULL };
  struct quiesce *quiesce;
  int r = quiesce_recover (journal, why);

  if (r == 0)
    r = quiesce_journal_write (journal, agent, qemu, why);
  if (r < 0)
    return r;
  if (limits == NULL)
    limits = &usual;
  snprintf (sync, sizeof sync, "%d", limits->sync_ms);
  snprintf (freeze, sizeof freeze, "%d", limits->freeze_ms);
  snprintf (limit, sizeof limit, "%d", limits->limit_ms);
  r = start (agent, argv, &quiesce, why);
  if (r < 0) {
    quiesce_journal_remove (journal);
    return r;
  }
  quiesce->journal = g_strdup (journal);
  r = wait_frozen (quiesce, now_ms () + limits->sync_ms + limits->freeze_ms +
                   GRACE_MS, why);
  if (r < 0) {
    give_up (quiesce, r);
    return r;
  }
  *ret = quiesce;
  return 0;
}

/* Waits for "thawed MS REASON"; *REASON is NULL if it did not come. */
static int
wait_thawed (struct quiesce *quiesce, double *ms, char **reason)
{
  int64_t deadline = now_ms () + THAW_WAIT_MS;
  int r;

  for (;;) {
    g_autofree char *line = NULL;
    char word[16];

    r = read_line (quiesce, deadline, &line);
    if (r < 0)
      return r;
    if (sscanf (line, "thawed %lf %15s", ms, word) == 2) {
      *reason = g_strdup (word);
      return 0;
    }
    log_warning ("%s", line);
  }
}

const char *
quiesce_end (struct quiesce *quiesce, double *ms, bool *throughout)
{
  static const char thaw[] = "thaw\n";
  struct failure why = { .error = 0 };
  g_autofree char *reason = NULL;
  const char *doubt = NULL;
  int r;

  *ms = 0;
  if (write (quiesce->in, thaw, sizeof thaw - 1) < 0)
    log_debug (PROGRAM " has ended before it was told to thaw");
  r = wait_thawed (quiesce, ms, &reason);
  if (r == -ETIMEDOUT)
    doubt = "the guest agent has not confirmed the thaw yet";
  else if (r < 0)
    doubt = PROGRAM " ended too early";
  else if (strcmp (reason, "limit") == 0)
    doubt = "the guest had to be thawed before, its time limit had passed";
  else if (strcmp (reason, "asked") != 0)
    doubt = "somebody else thawed the guest before";
  else if (quiesce->nothing_frozen)
    doubt = "the guest agent found no file system that it could freeze";
  if (r < 0 && r != -ETIMEDOUT) {
    r = quiesce_thaw (quiesce->agent, &why);
    if (r < 0)
      log_error ("%s", why.text);
  }
  if (r == 0)
    quiesce_journal_remove (quiesce->journal);
  release (quiesce);
  *throughout = doubt == NULL;
  return doubt;
}

int
quiesce_thaw (const char *agent, struct failure *why)
{
  char sync[16];
  char *argv[] = { (char *) PROGRAM, (char *) "--agent", (char *) agent,
                   (char *) "--thaw", (char *) "--thaw-timeout", sync, NULL };
  struct quiesce *quiesce;
  g_autofree char *line = NULL;
  double ms;
  int r;

  snprintf (sync, sizeof sync, "%d", THAW_AGAIN_MS);
  r = start (agent, argv, &quiesce, why);
  if (r < 0)
    return r;
  r = read_line (quiesce, now_ms () + THAW_AGAIN_MS + GRACE_MS, &line);
  release (quiesce);
  if (r == 0 && sscanf (line, "thawed %lf", &ms) == 1)
    return 0;
  return failure_set (why, FAILURE_GENERIC, EIO, "the guest of the agent at %s "
                      "may be frozen: %s", agent,
                      r == 0 ? line : "no answer of " PROGRAM);
}

int
quiesce_recover (const char *journal, struct failure *why)
{
  g_autofree char *agent = quiesce_journal_agent (journal);
  int r;

  if (agent == NULL && access (journal, F_OK) < 0)
    return 0;
  r = agent != NULL ? quiesce_thaw (agent, why)
      : failure_set (why, FAILURE_STORAGE, EINVAL, "the journal %s cannot be "
                     "read: see that the guest is not frozen, then remove the "
                     "file", journal);
  if (r < 0)
    return r;
  log_warning ("a guest that may have been left frozen was thawed");
  quiesce_journal_remove (journal);
  return 0;
}
