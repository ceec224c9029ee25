/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* pullback-libvirt: speaks QMP on its standard input, a socket, for a virtual machine
 * whose monitor libvirt has.  It is a program of its own, and one for each virtual
 * machine, because a call of libvirt's ends when QEMU answers and not before: to kill
 * the process is the one way to stop waiting.  The daemon does that, or the
 * kernel when the daemon dies.
 *
 * Three threads: this one carries out a command at a time, libvirt's brings events, and
 * the third one writes, so that neither waits for a daemon that does not read. */
#include <config.h>

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <glib.h>

#include "command-line.h"
#include "json-members.h"
#include "json-stream.h"
#include "libvirt-admission.h"
#include "libvirt-describe.h"
#include "libvirt-machine.h"
#include "libvirt-names.h"
#include "libvirt-greeting.h"
#include "log.h"
#include "socket.h"

/* More than this unread is no daemon in its right mind. */
#define OUTPUT_MOST (64u << 20)
/* As the daemon's side has it. */
#define COMMAND_BYTES (64u << 20)

/* The file of turns, where it is given one. */
#define TURNS_FILENO 3

static const struct json_stream_rules rules = {
  .bytes = COMMAND_BYTES, .values = 500000, .depth = 500, .lines = true
};

static const char help_text[] =
  "Usage: pullback-libvirt --uri URI --domain NAME [--agent | --names | --turns |\n"
  "                        --describe | --define]\n"
  "       pullback-libvirt --uri URI --watch\n"
  "Speaks QMP on standard input, a socket, for a virtual machine of libvirt.\n"
  "\n"
  "  --uri URI      libvirt's: qemu:///system\n"
  "  --domain NAME  the virtual machine's name or UUID\n"
  "  --agent        speak to its guest agent\n"
  "  --names        list its own checkpoints and snapshots, once\n"
  "  --describe     show what it is when it is started the next time, once\n"
  "  --define       define it, of that UUID, as standard input says\n"
  "  --turns        take turns with others by the file that is descriptor 3\n"
  "  --watch        list all virtual machines, at each change anew\n"
  "  --help         show this text and exit\n"
  "  --version      show the version and exit\n";

/* --- output ------------------------------------------------------------ */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
/* Protected by the lock. */
static GQueue lines;            /* of char * */
static size_t bytes;            /* of all of them */
static bool greeted;            /* who listens knows whose events these are */
static bool ending;             /* nothing comes any more */
static bool calling;            /* a command is with libvirt */

/* The daemon has left; a turn is kept for as long as libvirtd's worker is. */
static void
leave (void)
{
  pthread_mutex_lock (&lock);
  while (calling && !ending)
    pthread_cond_wait (&changed, &lock);
  _exit (0);
}

static void *
write_lines (void *opaque)
{
  for (;;) {
    char *line;
    size_t length;

    pthread_mutex_lock (&lock);
    while (g_queue_is_empty (&lines) && !ending)
      pthread_cond_wait (&changed, &lock);
    line = g_queue_pop_head (&lines);
    length = line == NULL ? 0 : strlen (line);
    bytes -= length;
    pthread_mutex_unlock (&lock);
    if (line == NULL)
      _exit (0);
    if (socket_send (STDIN_FILENO, line, length, INT64_MAX) < 0)
      leave ();
    g_free (line);
  }
}

static void
say_locked (json_object *message)
{
  char *line = g_strconcat (
    json_object_to_json_string_ext (message, JSON_C_TO_STRING_PLAIN
                                    | JSON_C_TO_STRING_NOSLASHESCAPE),
    "\n", NULL);

  bytes += strlen (line);
  if (bytes > OUTPUT_MOST)
    _exit (1);
  g_queue_push_tail (&lines, line);
  pthread_cond_broadcast (&changed);
}

/* MESSAGE is taken over. */
static void
say (json_object *message)
{
  pthread_mutex_lock (&lock);
  say_locked (message);
  greeted = true;
  pthread_mutex_unlock (&lock);
  json_object_put (message);
}

/* What was said gets there, then the process ends. */
static void
end_soon (void)
{
  pthread_mutex_lock (&lock);
  ending = true;
  pthread_cond_broadcast (&changed);
  pthread_mutex_unlock (&lock);
}

static void
on_event (void *opaque, json_object *message)
{
  pthread_mutex_lock (&lock);
  if (greeted)
    say_locked (message);
  pthread_mutex_unlock (&lock);
  json_object_put (message);
}

static void
on_over (void *opaque)
{
  end_soon ();
}

/* Of main, from its start on. */
static struct libvirt_choice choice;
static bool by_turns;

/* --- commands ----------------------------------------------------------- */

static json_object *
error_of (const struct failure *why)
{
  json_object *error = json_with ("class", failure_class_name (why->class));

  json_add_string (error, "desc", why->text);
  json_add_i64 (error, "errno", why->error);
  return error;
}

/* What came with the command that is to be read next; -1: nothing.  Who sends waits for
 * the answer to each, so that it is at the front. */
static int
take_descriptor (void)
{
  char byte;
  struct iovec data = { .iov_base = &byte, .iov_len = 1 };
  union {
    struct cmsghdr align;
    char room[CMSG_SPACE (sizeof (int))];
  } control;
  struct msghdr message = { .msg_iov = &data, .msg_iovlen = 1,
                            .msg_control = control.room,
                            .msg_controllen = sizeof control.room };
  struct cmsghdr *c;
  int fd = -1;

  /* json_stream_read takes the bytes, and what is not wanted is dropped there. */
  if (recvmsg (STDIN_FILENO, &message, MSG_PEEK | MSG_CMSG_CLOEXEC) <= 0)
    return -1;
  c = CMSG_FIRSTHDR (&message);
  if (c != NULL && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
    memcpy (&fd, CMSG_DATA (c), sizeof fd);
  return fd;
}

static void
set_calling (bool is)
{
  pthread_mutex_lock (&lock);
  calling = is;
  pthread_cond_broadcast (&changed);
  pthread_mutex_unlock (&lock);
}

static int
call_in_turn (struct libvirt_machine *machine, const char *command, int fd,
              json_object **reply, struct failure *why)
{
  static struct libvirt_admission admission = { .turn = -1 };
  int r;

  admission.machine = machine;
  admission.uri = choice.uri;
  admission.turns = by_turns ? TURNS_FILENO : -1;
  r = libvirt_admission_wait (&admission, STDIN_FILENO, why);
  if (r < 0)
    return r;
  set_calling (true);
  r = libvirt_machine_call (machine, command, fd, reply, why);
  libvirt_admission_end (&admission, r == 0);
  set_calling (false);
  return r;
}

static int
carry_out (struct libvirt_machine *machine, json_object *command, int fd,
           json_object **reply, struct failure *why)
{
  const char *verb = json_get_string (command, "execute");
  int r = 0;

  if (verb != NULL && strcmp (verb, LIBVIRT_DESCRIBE) == 0)
    return libvirt_machine_describe (machine, reply, why);
  /* libvirt has done that. */
  if (verb != NULL && strcmp (verb, "qmp_capabilities") == 0) {
    *reply = json_object_new_object ();
    json_object_object_add (*reply, "return", json_object_new_object ());
    return 0;
  }
  if (verb != NULL && strcmp (verb, "nbd-server-start") == 0)
    r = libvirt_admission_wait_for_server (machine, why);
  return r < 0 ? r
         : call_in_turn (machine, json_object_to_json_string (command), fd,
                         reply, why);
}

/* libvirt gives commands ids of its own.  NULL: it had none. */
static json_object *
take_id (json_object *command)
{
  json_object *id = NULL;

  if (json_object_object_get_ex (command, "id", &id))
    json_object_get (id);
  json_object_object_del (command, "id");
  return id;
}

/* REPLY to the command of ID; takes both over. */
static void
answer (json_object *reply, json_object *id)
{
  json_object_object_del (reply, "id");
  json_object_object_add (reply, "id", id);
  say (reply);
}

/* Takes COMMAND over.  False: nothing else can be. */
static bool
serve (struct libvirt_machine *machine, json_object *command, int fd)
{
  struct failure why = { .error = 0 };
  json_object *reply = NULL, *id = take_id (command);
  int r = carry_out (machine, command, fd, &reply, &why);

  json_object_put (command);
  if (r == -ENOTCONN) {
    json_object_put (id);
    return false;
  }
  if (r < 0)
    reply = json_object_new_object ();
  if (r == -ETIMEDOUT || r == -EBUSY)
    json_add_bool (reply, "unsent", true);
  if (r == -EBUSY)
    json_add_string (reply, "busy", why.text);
  else if (r < 0 && r != -ETIMEDOUT)
    json_object_object_add (reply, "error", error_of (&why));
  answer (reply, id);
  return true;
}

static void
serve_all (struct libvirt_machine *machine)
{
  struct json_stream *stream = json_stream_create (STDIN_FILENO, &rules);
  json_object *command;
  bool goes_on = stream != NULL;

  while (goes_on) {
    CLEANUP_FD int fd = take_descriptor ();

    goes_on = json_stream_read (stream, INT64_MAX, &command) == 0 &&
              serve (machine, command, fd);
  }
}

static void
greet (int r, json_object *identity, const struct failure *why)
{
  json_object *greeting = json_object_new_object (), *qmp;

  if (r < 0)
    json_object_object_add (greeting, "error", error_of (why));
  else {
    qmp = json_object_new_object ();
    json_object_object_add (qmp, "capabilities", json_object_new_array ());
    json_object_object_add (greeting, "QMP", qmp);
  }
  if (identity != NULL)
    json_object_object_add (greeting, "domain", identity);
  say (greeting);
}

/* --- the guest agent ------------------------------------------------------ */

/* COMMAND is taken over. */
static void
serve_agent (struct libvirt_machine *machine, int r, struct failure *why,
             json_object *command)
{
  json_object *reply = NULL, *id = take_id (command);
  int seconds = (int) MIN (json_get_u64 (command, "timeout"), 3600);

  json_object_object_del (command, "timeout");
  if (r == 0)
    r = libvirt_machine_ask_agent (machine,
                                   json_object_to_json_string (command),
                                   MAX (seconds, 1), &reply, why);
  json_object_put (command);
  if (r < 0) {
    reply = json_object_new_object ();
    json_object_object_add (reply, "error", error_of (why));
  }
  answer (reply, id);
}

static int
run_agent (void)
{
  struct failure why = { .error = 0 };
  struct libvirt_machine *machine = NULL;
  struct json_stream *stream = json_stream_create (STDIN_FILENO, &rules);
  json_object *command;
  pthread_t writer;
  int r = libvirt_machine_open_agent (&choice, &machine, &why);

  if (stream == NULL ||
      pthread_create (&writer, NULL, write_lines, NULL) != 0)
    return 1;
  while (json_stream_read (stream, INT64_MAX, &command) == 0)
    serve_agent (machine, r, &why, command);
  return 0;
}

/* --- all virtual machines --------------------------------------------------- */

static bool list_is_old = true; /* protected by the lock */

static void
on_changed (void)
{
  pthread_mutex_lock (&lock);
  list_is_old = true;
  pthread_cond_broadcast (&changed);
  pthread_mutex_unlock (&lock);
}

static void
wait_for_change (void)
{
  pthread_mutex_lock (&lock);
  while (!list_is_old && !ending)
    pthread_cond_wait (&changed, &lock);
  list_is_old = false;
  pthread_mutex_unlock (&lock);
}

static int
run_watch (void)
{
  struct failure why = { .error = 0 };
  struct libvirt_machine *all = NULL;
  json_object *list;
  pthread_t writer;
  int r = libvirt_machine_open_all (choice.uri, on_changed, end_soon, &all, &why);

  if (pthread_create (&writer, NULL, write_lines, NULL) != 0)
    return 1;
  while (r == 0) {
    /* Of many changes at once one list tells. */
    wait_for_change ();
    r = libvirt_machine_list (all, &list, &why);
    if (r == 0)
      say (list);
  }
  greet (r, NULL, &why);
  end_soon ();
  /* That ends the process. */
  pthread_join (writer, NULL);
  return 1;
}

/* --- main ------------------------------------------------------------------ */

static int
run (void)
{
  const struct libvirt_listener listener = { .event = on_event,
                                             .over = on_over };
  struct failure why = { .error = 0 };
  struct libvirt_machine *machine = NULL;
  json_object *identity = NULL;
  pthread_t writer;
  int r = libvirt_machine_open (&choice, &listener, &machine, &identity, &why);

  greet (r, identity, &why);
  if (pthread_create (&writer, NULL, write_lines, NULL) != 0)
    return 1;
  if (r == 0)
    serve_all (machine);
  end_soon ();
  /* That ends the process. */
  pthread_join (writer, NULL);
  return 1;
}

int
main (int argc, char **argv)
{
  struct failure why = { .error = 0 };
  bool agent = false, names = false, watch = false;
  bool describe = false, define = false;
  const struct command_line_option table[] = {
    { .name = "uri", .text = &choice.uri, .needed = "URI" },
    { .name = "domain", .text = &choice.domain },
    { .name = "agent", .flag = &agent },
    { .name = "names", .flag = &names },
    { .name = "describe", .flag = &describe },
    { .name = "define", .flag = &define },
    { .name = "turns", .flag = &by_turns },
    { .name = "watch", .flag = &watch },
    { .name = NULL }
  };
  int r;

  log_open ("pullback-libvirt", LOG_LEVEL_INFO);
  r = command_line_parse (argc, argv, "pullback-libvirt", help_text, table,
                          &why);
  if (r == 0 && (choice.domain == NULL) != watch)
    r = failure_set (&why, FAILURE_BAD_ARGUMENT, EINVAL,
                     "one of --domain and --watch is needed");
  if (r < 0) {
    log_error ("%s", why.text);
    return 2;
  }
  return r > 0 ? 0 : watch ? run_watch ()
         : names ? libvirt_names_run (&choice)
         : describe ? libvirt_describe_run (&choice)
         : define ? libvirt_describe_define (&choice)
         : agent ? run_agent () : run ();
}
