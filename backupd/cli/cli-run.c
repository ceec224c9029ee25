/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Signals are blocked from the start and taken at the one place where the
 * program waits, so that an interrupt never leaves a step half done. */
#include <config.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <glib.h>

#include "cli-client.h"
#include "cli-private.h"
#include "cli-run.h"
#include "cli-script.h"
#include "cli-view.h"
#include "control-commands.h"
#include "deadline.h"
#include "json-members.h"

/* How often to look whether the backup still is. */
#define LOOK_SECONDS 1
/* A daemon that dies again and again is given up. */
#define RESTARTS_MOST 5
/* What an interrupted command is given to end. */
#define END_MS 10000

struct run {
  const struct arguments_run *arguments;
  struct cli_private daemon;
  struct cli_client *client;
  sigset_t signals;
  sigset_t old_mask;
  int interrupted;              /* the signal, or 0 */
  unsigned restarts;            /* of the daemon */
};

/* --- signals -------------------------------------------------------- */

static void
block_signals (struct run *run)
{
  sigemptyset (&run->signals);
  sigaddset (&run->signals, SIGINT);
  sigaddset (&run->signals, SIGTERM);
  sigaddset (&run->signals, SIGHUP);
  sigaddset (&run->signals, SIGCHLD);
  sigprocmask (SIG_BLOCK, &run->signals, &run->old_mask);
}

/* Waits a while for a signal; 0: none came. */
static int
next_signal (struct run *run, int milliseconds)
{
  struct timespec timeout = { .tv_sec = milliseconds / 1000,
                              .tv_nsec = milliseconds % 1000 * 1000000L };
  int number = sigtimedwait (&run->signals, NULL, &timeout);

  if (number <= 0 || number == SIGCHLD)
    return 0;
  run->interrupted = number;
  return number;
}

/* --- the steps ------------------------------------------------------ */

/* Consumes ARGUMENTS. */
static int
call (struct run *run, const char *verb, json_object *arguments,
      json_object **result, struct failure *why)
{
  json_object *ignored = NULL;
  int r = cli_client_call (run->client, verb, arguments, NULL,
                           result != NULL ? result : &ignored, why);

  json_object_put (ignored);
  json_object_put (arguments);
  return r;
}

/* What domain-add takes, and domain-list tells. */
static const char *const machine_keys[] = { "qmp", "libvirt", "libvirt-domain" };

/* The virtual machine that the state folder is of; NULL: none yet. */
static json_object *
known_machine (struct run *run)
{
  struct failure ignored = { .error = 0 };
  CLEANUP_JSON json_object *result = NULL;
  json_object *list, *known = NULL;
  size_t i;

  if (call (run, "domain-list", NULL, &result, &ignored) < 0)
    return NULL;
  list = json_get_array (result, "domains");
  for (i = 0; i < json_length (list); i++) {
    json_object *domain = json_object_array_get_idx (list, i);

    if (g_strcmp0 (json_get_string (domain, "name"), CLI_PRIVATE_DOMAIN) == 0)
      known = json_object_get (domain);
  }
  return known;
}

static bool
is_given (const struct run *run, json_object *known)
{
  size_t i;

  for (i = 0; i < G_N_ELEMENTS (machine_keys); i++)
    if (g_strcmp0 (json_get_string (known, machine_keys[i]),
                   json_get_string (run->arguments->head.json,
                                    machine_keys[i])) != 0)
      return false;
  return true;
}

static int
add_domain (struct run *run, struct failure *why)
{
  CLEANUP_JSON json_object *known = known_machine (run);
  json_object *arguments;
  const char *name;
  size_t i;

  if (known != NULL && is_given (run, known))
    return 0;
  if (known != NULL) {
    name = json_get_string (known, "qmp");
    return failure_set (why, FAILURE_EXISTS, EEXIST,
                        "the state folder %s is of the virtual machine %s%s; "
                        "use one folder per machine",
                        run->arguments->state_dir, name != NULL ? "at " : "",
                        name != NULL ? name
                        : json_get_string (known, "libvirt-domain"));
  }
  arguments = json_with ("name", CLI_PRIVATE_DOMAIN);
  for (i = 0; i < G_N_ELEMENTS (machine_keys); i++)
    json_add_known (arguments, machine_keys[i],
                    json_get_string (run->arguments->head.json,
                                     machine_keys[i]));
  return call (run, "domain-add", arguments, NULL, why);
}

static int
begin (struct run *run, json_object **backup, struct failure *why)
{
  const struct control_command *command =
    control_command_find ("backup-begin");
  const struct control_argument *a;
  json_object *arguments = json_with ("domain", CLI_PRIVATE_DOMAIN), *value;

  for (a = command->arguments; a->name != NULL; a++)
    if (json_object_object_get_ex (run->arguments->head.json, a->name, &value))
      json_object_object_add (arguments, a->name, json_object_get (value));
  return call (run, "backup-begin", arguments, backup, why);
}

static int
end (struct run *run, const char *verb, struct failure *why)
{
  return call (run, verb, json_with ("domain", CLI_PRIVATE_DOMAIN), NULL, why);
}

static int
say_died (struct failure *why)
{
  return failure_set (why, FAILURE_GENERIC, ECHILD,
                      "the private pullback-backupd has died");
}

/* The daemon lives; where it has died the next one goes on with the backup. */
static int
keep_daemon (struct run *run, struct failure *why)
{
  struct failure fault = { .error = 0 };

  if (!cli_private_ended (&run->daemon))
    return 0;
  cli_client_close (run->client);
  run->client = NULL;
  /* It may die while it starts, too. */
  while (cli_private_ended (&run->daemon) && run->restarts++ < RESTARTS_MOST)
    if (cli_private_restart (&run->daemon, &fault) == 0 &&
        cli_client_open (run->daemon.socket, &run->client, &fault) == 0)
      return 0;
  return say_died (why);
}

/* Does the backup still serve its point in time? */
static int
check_backup (struct run *run, struct failure *why)
{
  json_object *info = NULL;
  const char *state, *reason;
  int r = keep_daemon (run, why);

  if (r < 0)
    return r;
  r = call (run, "backup-info", json_with ("domain", CLI_PRIVATE_DOMAIN), &info,
            why);
  if (r < 0)
    return r;
  state = json_get_string (info, "state");
  reason = json_get_string (info, "reason");
  if (state != NULL && strcmp (state, "broken") == 0)
    r = failure_set (why, FAILURE_BROKEN, EIO, "the backup is broken: %s",
                     reason == NULL ? "no reason given" : reason);
  json_object_put (info);
  return r;
}

/* Without a command: until somebody interrupts. */
static int
wait_for_interrupt (struct run *run, struct failure *why)
{
  int r = 0;

  while (r == 0 && run->interrupted == 0)
    if (next_signal (run, LOOK_SECONDS * 1000) == 0)
      r = check_backup (run, why);
  return r;
}

static int
run_command (struct run *run, json_object *backup, int *status,
             struct failure *why)
{
  struct cli_script script = { .own_group = false };
  int64_t deadline = 0;
  int lost = 0, r = cli_script_start (run->arguments->run, backup, &script, why);

  if (r < 0)
    return r;
  while (!cli_script_ended (&script, status)) {
    int number = next_signal (run, LOOK_SECONDS * 1000);

    if (number != 0) {
      /* At a terminal its interrupt has reached the command too. */
      if (script.own_group || number != SIGINT)
        cli_script_signal (&script, number);
      if (deadline == 0)
        deadline = now_ms () + END_MS;
    }
    /* What it reads from may end at any moment. */
    if (lost == 0 && cli_private_ended (&run->daemon)) {
      lost = check_backup (run, why);
      if (lost < 0) {
        cli_script_signal (&script, SIGTERM);
        deadline = deadline != 0 ? deadline : now_ms () + END_MS;
      }
    }
    if (deadline != 0 && now_ms () >= deadline)
      cli_script_signal (&script, SIGKILL);
  }
  return lost < 0 ? lost : keep_daemon (run, why);
}

/* From READY to the end of the backup. */
static int
use_backup (struct run *run, json_object *backup, int *status,
            struct failure *why)
{
  int r;

  if (run->arguments->run == NULL) {
    *status = 0;
    r = wait_for_interrupt (run, why);
  }
  else {
    r = run_command (run, backup, status, why);
    if (r == 0 && *status == 0 && run->interrupted == 0) {
      r = end (run, "backup-commit", why);
      if (r == 0)
        return 0;
    }
    else if (r == 0 && *status == 0)
      *status = 128 + run->interrupted;
  }
  /* The first failure wins: a second sentence about the abort is not added. */
  if (!cli_private_ended (&run->daemon))
    if (end (run, "backup-abort", why) < 0 && r == 0)
      r = -why->error;
  return r;
}

static int
with_daemon (struct run *run, bool json, int *status, struct failure *why)
{
  json_object *backup = NULL;
  int r = cli_client_open (run->daemon.socket, &run->client, why);

  if (r == 0)
    r = add_domain (run, why);
  if (r == 0)
    r = begin (run, &backup, why);
  if (r < 0)
    return r;
  if (run->arguments->run == NULL) {
    if (json)
      printf ("%s\n", json_object_to_json_string_ext (
                backup, JSON_C_TO_STRING_PLAIN |
                JSON_C_TO_STRING_NOSLASHESCAPE));
    else
      cli_view_print (&run->arguments->head, backup);
    fflush (stdout);
  }
  r = use_backup (run, backup, status, why);
  json_object_put (backup);
  return r;
}

int
cli_run_check (const struct arguments_run *arguments, struct failure *why)
{
  bool libvirt = arguments->libvirt != NULL,
       name = arguments->libvirt_domain != NULL;

  if (arguments->qmp != NULL ? libvirt || name : !libvirt || !name)
    return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL,
                        "run needs NAME and --libvirt URI (qemu:///system), "
                        "or --qmp PATH of one that is not libvirt's");
  if (arguments->state_dir == NULL &&
      (arguments->checkpoint != NULL || arguments->incremental != NULL ||
       arguments->bases.array != NULL))
    return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL,
                        "--checkpoint, --incremental and --base need "
                        "--state-dir: "
                        "that is where the checkpoints are kept");
  return 0;
}

int
cli_run (const struct arguments_run *arguments, bool json, int *status,
         struct failure *why)
{
  struct run run = { .arguments = arguments };
  int r;

  block_signals (&run);
  r = cli_private_start (arguments->state_dir, arguments->scratch_dir,
                         &run.daemon, why);
  if (r == 0) {
    r = with_daemon (&run, json, status, why);
    cli_client_close (run.client);
    cli_private_stop (&run.daemon);
  }
  sigprocmask (SIG_SETMASK, &run.old_mask, NULL);
  return r;
}
