/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The order matters: first the guest cannot reach the disks any more, whatever is said to QEMU,
 * then clients can. */
#include <config.h>

#include <errno.h>
#include <string.h>

#include "process-label.h"
#include "process-listen.h"
#include "qmp-export.h"
#include "qmp-guest.h"
#include "qmp-hold.h"
#include "qmp-peer.h"
#include "restore-machine.h"

/* --- asking ---------------------------------------------------------------------- */

struct question {
  struct restore *restore;
  int (*function) (struct qmp *qmp, struct restore *restore,
                   struct failure *why);
  bool other;                   /* another QEMU answers */
};

static int
ask_same (struct qmp *qmp, void *opaque, struct failure *why)
{
  struct question *question = opaque;
  CLEANUP_FREE char *boot = qmp_boot_id (qmp);

  question->other = strcmp (boot, question->restore->qemu) != 0;
  return question->other ? 0
         : question->function (qmp, question->restore, why);
}

int
restore_machine_ask (struct restore *restore, bool keep,
                     int (*function) (struct qmp *qmp, struct restore *restore,
                                      struct failure *why),
                     struct failure *why)
{
  struct question question = { .restore = restore, .function = function };
  int r = restore->settings->ask (restore->name, keep, ask_same, &question,
                                  why);

  if (r == -ESRCH && qmp_boot_is_alive (restore->qemu))
    return failure_set (why, FAILURE_QMP, EBUSY, "the QEMU of %s runs, but does "
                        "not answer at its monitor: bring that back, and try "
                        "again", restore->name);
  return r < 0 || !question.other ? r
         : failure_set (why, FAILURE_QMP, ESRCH, "the QEMU of %s that had the "
                        "disks has ended, and another one runs",
                        restore->name);
}

int
restore_machine_check_guest (struct qmp *qmp, const struct restore *restore,
                             struct failure *why)
{
  enum qmp_guest guest;
  int r = qmp_guest_look (qmp, &guest, why);

  if (r < 0)
    return r;
  if (guest == (restore->awaited ? QMP_GUEST_AWAITED : QMP_GUEST_FRESH))
    return 0;
  return failure_set (why, FAILURE_BROKEN, EBUSY, "the virtual machine %s runs, "
                      "or has run, since its disks were looked at",
                      restore->name);
}

const struct restore_image *
restore_machine_image (const struct restore *restore, guint i)
{
  return g_ptr_array_index (restore->images, i);
}

/* --- the devices ----------------------------------------------------------------- */

/* What each image's hold is called; the strings are NAMES'. */
struct names {
  char keep[QMP_NAME_SIZE], stand_in[QMP_NAME_SIZE];
};

static struct qmp_hold
hold_of (const struct restore *restore, guint i, struct names *names)
{
  const struct restore_image *image = restore_machine_image (restore, i);

  qmp_name (names->keep, restore->tag, "keep", i);
  qmp_name (names->stand_in, restore->tag, "none", i);
  return (struct qmp_hold) {
    .qdev = image->qdev, .node = image->node, .keep = names->keep,
    .stand_in = names->stand_in, .size = image->size
  };
}

/* Is there a device, and does it claim its disk? */
static bool
is_held (const struct restore *restore, guint i)
{
  const struct restore_image *image = restore_machine_image (restore, i);

  return image->node != NULL && image->qdev != NULL &&
         image->qdev[0] != '\0' && !restore->awaited;
}

static int
hold (struct qmp *qmp, struct restore *restore, struct failure *why)
{
  int r = restore_machine_check_guest (qmp, restore, why);

  for (guint i = 0; r == 0 && i < restore->images->len; i++) {
    struct names names;
    struct qmp_hold one;

    if (!is_held (restore, i))
      continue;
    one = hold_of (restore, i, &names);
    r = qmp_hold_take (qmp, &one, why);
  }
  return r;
}

int
restore_machine_hold (void *context, struct failure *why)
{
  struct restore *restore = context;

  return restore->qemu == NULL ? 0
         : restore_machine_ask (restore, true, hold, why);
}

int
restore_machine_check_hold (struct qmp *qmp, const struct restore *restore,
                            guint i, struct failure *why)
{
  struct names names;
  struct qmp_hold one;

  if (!is_held (restore, i))
    return 0;
  one = hold_of (restore, i, &names);
  return qmp_hold_check (qmp, &one, why);
}

/* A guest that has run with the stand-in is told of once, as later none is there. */
static int
check_after (struct qmp *qmp, const struct restore *restore,
             struct failure *why)
{
  enum qmp_guest guest;
  int r = qmp_guest_look (qmp, &guest, why);

  if (r < 0 || guest == QMP_GUEST_FRESH ||
      restore->phase != RESTORE_PHASE_COMMIT)
    return r;
  return failure_set (why, FAILURE_BROKEN, EBUSY, "the disks of %s are whole, but "
                      "its virtual machine was started (cont) before it had them "
                      "back, and was told of I/O errors: reset it "
                      "(system_reset), and commit again", restore->name);
}

static int
give_back (struct qmp *qmp, struct restore *restore, struct failure *why)
{
  bool any = false;
  int first = 0;

  for (guint i = 0; i < restore->images->len; i++) {
    struct names names;
    struct qmp_hold one;
    bool was_held;
    int r;

    if (!is_held (restore, i))
      continue;
    one = hold_of (restore, i, &names);
    r = qmp_hold_give_back (qmp, &one, &was_held, why);
    any = any || was_held;
    first = first != 0 ? first : r;
  }
  return any && first == 0 ? check_after (qmp, restore, why) : first;
}

int
restore_machine_give_back (void *context, struct failure *why)
{
  struct restore *restore = context;
  int r = restore->qemu == NULL ? 0
          : restore_machine_ask (restore, false, give_back, why);

  return r == -ESRCH ? 0 : r;
}

/* --- server and exports ------------------------------------------------------------ */

/* Its own copy QEMU has by getfd, by the name of an export that there is not. */
static int
start_server (struct qmp *qmp, struct restore *restore, struct failure *why)
{
  struct process_place place = {
    .socket = restore->storage_socket,
    .uid = restore->settings->gateway_uid,
    .gid = restore->settings->gateway_gid
  };
  char name[QMP_NAME_SIZE];
  g_autofree char *label = NULL;
  CLEANUP_FD int fd = -1;
  pid_t pid = 0;
  uid_t uid;
  gid_t gid;
  int r;

  if (qmp_peer (qmp, &uid, &gid, &pid) == 0)
    label = process_label_of (pid);
  place.label = label;
  r = process_listen (&place, &fd, why);
  if (r < 0)
    return r;
  qmp_name (name, restore->tag, "nbd", 0);
  r = qmp_export_server_start_on (qmp, fd, name, why);
  return r != -EOPNOTSUPP ? r
         : failure_set (why, FAILURE_QMP_UNSUPPORTED, EOPNOTSUPP, "QEMU of %s "
                        "takes no socket of ours, as its guards or what is "
                        "between do not let it pass: shut it down, and restore "
                        "its images by --image", restore->name);
}

int
restore_machine_start_server (void *context, struct failure *why)
{
  struct restore *restore = context;

  return restore->qemu == NULL ? 0
         : restore_machine_ask (restore, true, start_server, why);
}

char **
restore_machine_exports (const struct restore *restore)
{
  char **ids = g_new0 (char *, restore->images->len + 1);

  for (guint i = 0; i < restore->images->len; i++) {
    char name[QMP_NAME_SIZE];

    qmp_name (name, restore->tag, "restore", i);
    ids[i] = g_strdup (name);
  }
  return ids;
}

static int
export (struct qmp *qmp, struct restore *restore, struct failure *why)
{
  g_auto (GStrv) ids = restore_machine_exports (restore);
  int r = 0;

  for (guint i = 0; r == 0 && i < restore->images->len; i++) {
    const struct restore_image *image = restore_machine_image (restore, i);

    r = qmp_export_add_writable (qmp, ids[i], image->node, image->disk, why);
  }
  return r;
}

int
restore_machine_export (void *context, struct failure *why)
{
  struct restore *restore = context;

  return restore->qemu == NULL ? 0
         : restore_machine_ask (restore, true, export, why);
}
