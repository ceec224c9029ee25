/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* No call of libvirt has a time limit, and none can be cancelled, so that nothing here
 * tries: who cannot wait ends this process.  A command that libvirt passes on to a QEMU
 * that hangs holds a worker of libvirtd until QEMU goes on, and each one that waits for its
 * turn there another; libvirtd has few of them for everybody.  So none is sent where
 * libvirt says that one hangs already, whoever sent that. */
#include <config.h>

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <glib.h>
#include <libvirt/libvirt-qemu.h>
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>

#include "deadline.h"
#include "json-members.h"
#include "libvirt-machine.h"
#include "libvirt-greeting.h"
#include "libvirt-hold.h"
#include "libvirt-process.h"

/* A libvirtd that says nothing for so long (seconds, times) is gone. */
#define ALIVE_S 5
#define ALIVE_TIMES 3
/* A command of somebody that QEMU has not answered for so long hangs. */
#define HANGS_MS 1000
#define LOOK_MS 50
#define HOLD_LOOK_MS 5

struct libvirt_machine {
  virConnectPtr link;
  virDomainPtr handle;
  char *file;                   /* libvirt's own of this machine */
  struct libvirt_listener listener;
};

/* --- what libvirt says ------------------------------------------------ */

static const char *
words (void)
{
  const char *text = virGetLastErrorMessage ();

  return text == NULL ? "no reason given" : text;
}

/* As deep as a chain of images may be. */
static json_object *
parse (const char *text)
{
  json_tokener *tokener = json_tokener_new_ex (500);
  json_object *object = tokener == NULL ? NULL
                        : json_tokener_parse_ex (tokener, text, -1);

  if (tokener != NULL)
    json_tokener_free (tokener);
  return object;
}

/* By default it prints them. */
static void
keep_quiet (void *opaque, virErrorPtr error)
{
}

/* --- events ------------------------------------------------------------ */

static void *
run_events (void *opaque)
{
  while (virEventRunDefaultImpl () == 0)
    ;
  abort ();
}

static void
on_close (virConnectPtr link, int reason, void *opaque)
{
  struct libvirt_machine *machine = opaque;

  machine->listener.over (machine->listener.opaque);
}

static int
on_lifecycle (virConnectPtr link, virDomainPtr handle, int event, int detail,
              void *opaque)
{
  struct libvirt_machine *machine = opaque;

  if (event == VIR_DOMAIN_EVENT_STOPPED || event == VIR_DOMAIN_EVENT_CRASHED)
    machine->listener.over (machine->listener.opaque);
  return 0;
}

static void
on_event (virConnectPtr link, virDomainPtr handle, const char *event,
          long long seconds, unsigned microseconds, const char *details,
          void *opaque)
{
  struct libvirt_machine *machine = opaque;
  json_object *message = json_with ("event", event);
  json_object *timestamp = json_object_new_object ();

  json_add_i64 (timestamp, "seconds", seconds);
  json_add_i64 (timestamp, "microseconds", microseconds);
  json_object_object_add (message, "timestamp", timestamp);
  if (details != NULL)
    json_object_object_add (message, "data", parse (details));
  libvirt_hold_note (event, json_object_object_get (message, "data"));
  machine->listener.event (machine->listener.opaque, message);
}

static bool
listen_to (struct libvirt_machine *machine)
{
  return virConnectRegisterCloseCallback (machine->link, on_close, machine,
                                          NULL) == 0 &&
         virConnectDomainEventRegisterAny (
           machine->link, machine->handle, VIR_DOMAIN_EVENT_ID_LIFECYCLE,
           VIR_DOMAIN_EVENT_CALLBACK (on_lifecycle), machine, NULL) >= 0 &&
         virConnectDomainQemuMonitorEventRegister (
           machine->link, machine->handle, NULL, on_event, machine, NULL,
           0) >= 0;
}

/* --- opening ------------------------------------------------------------ */

static int
connect_to (struct libvirt_machine *machine, const char *uri,
            struct failure *why)
{
  pthread_t thread;

  virSetErrorFunc (NULL, keep_quiet);
  if (virEventRegisterDefaultImpl () < 0 ||
      pthread_create (&thread, NULL, run_events, NULL) != 0)
    return failure_set (why, FAILURE_GENERIC, EAGAIN,
                        "libvirt cannot be used: %s", words ());
  pthread_detach (thread);
  machine->link = virConnectOpen (uri);
  /* Not every way to libvirt knows how; then who hangs is waited for. */
  if (machine->link != NULL &&
      virConnectSetKeepAlive (machine->link, ALIVE_S, ALIVE_TIMES) >= 0)
    return 0;
  return failure_set (why, FAILURE_QMP, EHOSTUNREACH,
                      "libvirt at %s cannot be asked: %s", uri, words ());
}

static int
find (struct libvirt_machine *machine, const struct libvirt_choice *choice,
      struct failure *why)
{
  unsigned char uuid[VIR_UUID_BUFLEN];

  /* Which asks nobody where it is no UUID. */
  machine->handle = virDomainLookupByUUIDString (machine->link, choice->domain);
  if (machine->handle == NULL)
    machine->handle = virDomainLookupByName (machine->link, choice->domain);
  if (machine->handle != NULL && virDomainGetUUID (machine->handle, uuid) == 0)
    return 0;
  if (virGetLastErrorCode () != VIR_ERR_NO_DOMAIN)
    return failure_set (why, FAILURE_QMP, EHOSTUNREACH,
                        "libvirt at %s cannot be asked for %s: %s",
                        choice->uri, choice->domain, words ());
  return failure_set (why, FAILURE_DOMAIN_NOT_FOUND, ENOENT,
                      "libvirt at %s has no virtual machine %s: see virsh -c "
                      "%s list --all", choice->uri, choice->domain,
                      choice->uri);
}

/* Nothing else says whether QEMU answers without asking it. */
static int
check_answers (struct libvirt_machine *machine, struct failure *why)
{
  virDomainControlInfo info = { .state = VIR_DOMAIN_CONTROL_OK };
  int waited = 0;

  while (virDomainGetControlInfo (machine->handle, &info, 0) == 0 &&
         info.state == VIR_DOMAIN_CONTROL_OCCUPIED &&
         info.stateTime < HANGS_MS && waited < HANGS_MS) {
    usleep (LOOK_MS * 1000);
    waited += LOOK_MS;
  }
  if (info.state != VIR_DOMAIN_CONTROL_OCCUPIED || info.stateTime < HANGS_MS)
    return 0;
  return failure_set (why, FAILURE_TIMEOUT, EBUSY,
                      "QEMU of %s has not answered libvirt for %llu.%llu s; is the "
                      "VM stopped, or its storage stuck?",
                      virDomainGetName (machine->handle), info.stateTime / 1000,
                      info.stateTime / 100 % 10);
}

static json_object *
identify (const struct libvirt_machine *machine)
{
  const char *name = virDomainGetName (machine->handle);
  json_object *identity = json_with ("name", name);
  char uuid[VIR_UUID_STRING_BUFLEN];

  if (virDomainGetUUIDString (machine->handle, uuid) == 0)
    json_add_string (identity, "uuid", uuid);
  if (virDomainGetID (machine->handle) != (unsigned) -1)
    json_add_u64 (identity, "id", virDomainGetID (machine->handle));
  return identity;
}

static int
check_runs (struct libvirt_machine *machine, const struct libvirt_choice *choice,
            json_object *identity, struct failure *why)
{
  const char *name = virDomainGetName (machine->handle);
  int r;

  if (json_object_object_get (identity, "id") == NULL)
    return failure_set (why, FAILURE_QMP, ECONNREFUSED,
                        "the virtual machine %s of libvirt at %s is not "
                        "running: start it", name, choice->uri);
  if (!listen_to (machine))
    return failure_set (why, FAILURE_QMP, EHOSTUNREACH,
                        "libvirt at %s tells no events of %s: %s", choice->uri,
                        name, words ());
  /* Or what ended meanwhile would be taken for running. */
  if (virDomainIsActive (machine->handle) != 1)
    return failure_set (why, FAILURE_QMP, ECONNREFUSED,
                        "the virtual machine %s of libvirt at %s has just "
                        "ended", name, choice->uri);
  r = check_answers (machine, why);
  return r < 0 ? r : libvirt_process_identify (choice->uri, identity, why);
}

int
libvirt_machine_open (const struct libvirt_choice *choice,
                     const struct libvirt_listener *listener,
                     struct libvirt_machine **machine, json_object **identity,
                     struct failure *why)
{
  struct libvirt_machine *new = calloc (1, sizeof *new);
  int r;

  if (new == NULL)
    return failure_set (why, FAILURE_GENERIC, ENOMEM, "out of memory");
  new->listener = *listener;
  /* Nobody takes anything back from here on: what fails ends the process. */
  *machine = new;
  r = connect_to (new, choice->uri, why);
  if (r == 0)
    r = find (new, choice, why);
  if (r < 0)
    return r;
  new->file = libvirt_process_file (choice->uri,
                                    virDomainGetName (new->handle), ".xml");
  *identity = identify (new);
  return check_runs (new, choice, *identity, why);
}

/* --- calls ---------------------------------------------------------------- */

static int
call_failure (struct libvirt_machine *machine, struct failure *why)
{
  int code = virGetLastErrorCode ();

  /* libvirtd has no other word for it. */
  if (code == VIR_ERR_RPC && strstr (words (), "encode message payload"))
    return failure_set (why, FAILURE_QMP, EREMOTEIO,
                        "libvirt: the reply is larger than the 4 MiB that "
                        "libvirt passes on; delete checkpoints and bitmaps "
                        "that nobody needs (%s)", words ());
  failure_set (why, FAILURE_QMP, EREMOTEIO, "libvirt: %s", words ());
  if (code == VIR_ERR_OPERATION_TIMEOUT)
    return -ETIMEDOUT;
  /* Whether it was carried out is not known of either. */
  if (virConnectIsAlive (machine->link) != 1 ||
      virDomainIsActive (machine->handle) != 1)
    return -ENOTCONN;
  return -EREMOTEIO;
}

/* JOB is a command of a longer work of libvirt's; but not while it takes back a backup,
 * which it still has.  In this order, and no other call: the others ask QEMU. */
static bool
is_at_work (void *opaque)
{
  struct libvirt_machine *machine = opaque;
  virDomainControlInfo info;
  char *text;

  if (virDomainGetControlInfo (machine->handle, &info, 0) == 0 &&
      info.state == VIR_DOMAIN_CONTROL_JOB)
    return true;
  text = virDomainBackupGetXMLDesc (machine->handle, 0);
  free (text);
  return text != NULL;
}

int
libvirt_machine_wait (struct libvirt_machine *machine, int64_t until_ms,
                      struct failure *why)
{
  while (libvirt_hold_is_due (machine->file, is_at_work, machine)) {
    if (ms_left (until_ms) == 0)
      return failure_set (why, FAILURE_BUSY, EBUSY, "libvirt is beginning a "
                          "backup of %s of its own; try again later",
                          virDomainGetName (machine->handle));
    usleep (HOLD_LOOK_MS * 1000);
  }
  return 0;
}

bool
libvirt_machine_has_pull (const struct libvirt_machine *machine)
{
  return libvirt_hold_has_pull (machine->file);
}

int
libvirt_machine_call (struct libvirt_machine *machine, const char *command,
                      int fd, json_object **reply, struct failure *why)
{
  char *text = NULL;
  json_object *object;
  int r = fd < 0
          ? virDomainQemuMonitorCommand (machine->handle, command, &text, 0)
          : virDomainQemuMonitorCommandWithFiles (machine->handle, command, 1,
                                                  &fd, NULL, NULL, &text, 0);

  if (r < 0)
    return call_failure (machine, why);
  object = parse (text);
  free (text);
  if (!json_object_is_type (object, json_type_object)) {
    json_object_put (object);
    return failure_set (why, FAILURE_QMP, EREMOTEIO,
                        "libvirt: the reply is no JSON object");
  }
  *reply = object;
  return 0;
}

int
libvirt_machine_open_agent (const struct libvirt_choice *choice,
                            struct libvirt_machine **machine,
                            struct failure *why)
{
  struct libvirt_machine *new = calloc (1, sizeof *new);
  int r;

  if (new == NULL)
    return failure_set (why, FAILURE_GENERIC, ENOMEM, "out of memory");
  *machine = new;
  r = connect_to (new, choice->uri, why);
  if (r == 0)
    r = find (new, choice, why);
  if (r == 0 && virDomainIsActive (new->handle) == 0)
    r = failure_set (why, FAILURE_QMP, ECONNREFUSED,
                     "the virtual machine %s of libvirt at %s is not running",
                     virDomainGetName (new->handle), choice->uri);
  return r;
}

static int
agent_error (const struct libvirt_machine *machine)
{
  switch (virGetLastErrorCode ()) {
  case VIR_ERR_AGENT_UNRESPONSIVE:
  case VIR_ERR_AGENT_UNSYNCED:
  case VIR_ERR_OPERATION_TIMEOUT:
    return ETIMEDOUT;
  case VIR_ERR_ARGUMENT_UNSUPPORTED:
  case VIR_ERR_CONFIG_UNSUPPORTED:
    return EOPNOTSUPP;
  default:
    return virConnectIsAlive (machine->link) != 1 ? EHOSTUNREACH
           : virDomainIsActive (machine->handle) == 0 ? ECONNREFUSED
           : EREMOTEIO;
  }
}

int
libvirt_machine_ask_agent (struct libvirt_machine *machine,
                           const char *command, int seconds,
                           json_object **reply, struct failure *why)
{
  char *text = virDomainQemuAgentCommand (machine->handle, command, seconds,
                                          0);
  g_autofree char *said = text != NULL ? NULL : g_strdup (words ());

  if (text == NULL)
    return failure_set (why, FAILURE_GENERIC, agent_error (machine),
                        "the guest agent of %s, by libvirt: %s",
                        virDomainGetName (machine->handle), said);
  *reply = parse (text);
  free (text);
  if (*reply == NULL)
    return failure_set (why, FAILURE_GENERIC, EREMOTEIO,
                        "the guest agent's reply is no JSON");
  return 0;
}

/* --- all of them ---------------------------------------------------------- */

static void (*tell_changed) (void), (*tell_over) (void);

static int
on_any_lifecycle (virConnectPtr link, virDomainPtr handle, int event,
                  int detail, void *opaque)
{
  tell_changed ();
  return 0;
}

static void
on_any_close (virConnectPtr link, int reason, void *opaque)
{
  tell_over ();
}

int
libvirt_machine_open_all (const char *uri, void (*changed) (void),
                          void (*over) (void), struct libvirt_machine **all,
                          struct failure *why)
{
  struct libvirt_machine *new = calloc (1, sizeof *new);
  int r;

  if (new == NULL)
    return failure_set (why, FAILURE_GENERIC, ENOMEM, "out of memory");
  *all = new;
  tell_changed = changed;
  tell_over = over;
  r = connect_to (new, uri, why);
  if (r < 0)
    return r;
  if (virConnectRegisterCloseCallback (new->link, on_any_close, NULL,
                                       NULL) == 0 &&
      virConnectDomainEventRegisterAny (
        new->link, NULL, VIR_DOMAIN_EVENT_ID_LIFECYCLE,
        VIR_DOMAIN_EVENT_CALLBACK (on_any_lifecycle), NULL, NULL) >= 0)
    return 0;
  return failure_set (why, FAILURE_QMP, EHOSTUNREACH,
                      "libvirt at %s tells no events: %s", uri, words ());
}

static json_object *
summary_of (virDomainPtr handle)
{
  char uuid[VIR_UUID_STRING_BUFLEN];
  json_object *summary = json_with ("name", virDomainGetName (handle));

  if (virDomainGetUUIDString (handle, uuid) == 0)
    json_add_string (summary, "uuid", uuid);
  json_add_string (summary, "state",
                   virDomainGetID (handle) == (unsigned) -1 ? "not running"
                                                            : "running");
  return summary;
}

int
libvirt_machine_list (struct libvirt_machine *all, json_object **list,
                      struct failure *why)
{
  virDomainPtr *handles = NULL;
  int i, n = virConnectListAllDomains (all->link, &handles, 0);
  json_object *domains;

  if (n < 0)
    return failure_set (why, FAILURE_QMP, EHOSTUNREACH,
                        "libvirt does not list its virtual machines: %s",
                        words ());
  domains = json_object_new_array ();
  for (i = 0; i < n; i++) {
    json_object_array_add (domains, summary_of (handles[i]));
    virDomainFree (handles[i]);
  }
  free (handles);
  *list = json_object_new_object ();
  json_object_object_add (*list, "domains", domains);
  return 0;
}

/* --- its <domain> --------------------------------------------------------- */

int
libvirt_machine_describe (struct libvirt_machine *machine, json_object **reply,
                         struct failure *why)
{
  char *text = virDomainGetXMLDesc (machine->handle, 0);

  if (text == NULL)
    return call_failure (machine, why);
  *reply = json_object_new_object ();
  json_object_object_add (*reply, "return", json_with ("xml", text));
  free (text);
  return 0;
}
