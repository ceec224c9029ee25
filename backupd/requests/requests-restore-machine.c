/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A guest that has run keeps in its memory what its disks were: under it nothing can be exchanged.
 * After a reset it knows nothing any more. */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "domain-disks.h"
#include "qmp-flash.h"
#include "qmp-guest.h"
#include "qmp-peer.h"
#include "qmp-survey.h"
#include "requests-restore-machine.h"

/* --- the guest ------------------------------------------------------------------ */

static int
check_guest (const struct domain *domain, bool *awaited, struct failure *why)
{
  const char *name = domain_name (domain);
  enum qmp_guest guest;
  int r = qmp_guest_look (domain->qmp, &guest, why);

  if (r < 0)
    return r;
  *awaited = guest == QMP_GUEST_AWAITED;
  switch (guest) {
  case QMP_GUEST_NONE:
    return failure_set (why, FAILURE_BAD_ARGUMENT, ENOTSUP, "%s is no virtual "
                        "machine, but a storage daemon: end it, and restore its "
                        "images by --image", name);
  case QMP_GUEST_ARRIVES:
    return failure_set (why, FAILURE_BUSY, EBUSY, "the virtual machine %s is "
                        "being migrated to this QEMU: its disks are those that "
                        "its memory knows", name);
  case QMP_GUEST_HAS_RUN:
    return failure_set (why, FAILURE_BUSY, EBUSY, "the virtual machine %s runs, or "
                        "has run and is paused, and its memory would not fit "
                        "other disks: start it anew without letting it run (-S, "
                        "virsh start --paused), or pause and reset it (stop, "
                        "system_reset), or shut it down", name);
  case QMP_GUEST_FRESH:
  case QMP_GUEST_AWAITED:
    break;
  }
  return 0;
}

/* --- one disk --------------------------------------------------------------------- */

static const char *
unusable (const struct domain *domain, const struct qmp_disk *disk)
{
  return disk->empty ? "empty" : disk->read_only ? "read-only"
         : disk->size == 0 ? "of no size"
         : disk->filter[0] != '\0' ? "used by a block job"
         : disk->qdev[0] != '\0' && qmp_flash_is (domain->qmp, disk->qdev)
         ? "flash memory, which QEMU has read when it started," : NULL;
}

/* The image itself, however QEMU came by it; -1: not known. */
static int
open_image (const struct qmp_survey *survey, const struct qmp_disk *disk,
            char **path)
{
  g_autofree char *link = NULL;
  struct qmp_image image;
  struct stat st;
  int fd;

  if (survey == NULL || qmp_survey_find (survey, disk->filename, &image) < 0)
    return -1;
  link = g_strdup_printf ("/proc/%d/fd/%d", (int) image.pid, image.number);
  fd = open (link, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd >= 0 && (fstat (fd, &st) < 0 || st.st_dev != image.st.st_dev ||
                  st.st_ino != image.st.st_ino)) {
    close (fd);
    return -1;
  }
  *path = g_file_read_link (link, NULL);
  return fd;
}

static char *
keep (struct requests_machine *machine, char *text)
{
  g_ptr_array_add (machine->texts, text);
  return text;
}

/* What a restore has left, or made, must be known of it later. */
static int
check_local (int fd, const struct qmp_disk *disk, const char *name,
             struct failure *why)
{
  struct stat st;

  if (fd >= 0 && fstat (fd, &st) == 0 &&
      (S_ISREG (st.st_mode) || S_ISBLK (st.st_mode)))
    return 0;
  return failure_set (why, FAILURE_BAD_ARGUMENT, ENOTSUP, "the disk %s (%s) is no "
                      "local file or block device that QEMU is seen to have "
                      "open, and is not restored so: name the others by --disk",
                      name, disk->filename);
}

static int
add (struct requests_machine *machine, const struct qmp_disk *disk,
     const char *name, const struct qmp_survey *survey, struct failure *why)
{
  char *path = NULL;
  int fd = open_image (survey, disk, &path);
  struct restore_disk one = {
    .name = keep (machine, g_strdup (name)),
    .path = keep (machine, path != NULL ? path : g_strdup (disk->filename)),
    .format = keep (machine, g_strdup (disk->driver)),
    .node = keep (machine, g_strdup (disk->node)),
    .qdev = keep (machine, g_strdup (disk->qdev)),
    .size = disk->size, .fd = fd
  };

  g_array_append_val (machine->disks, one);
  return check_local (fd, disk, name, why);
}

/* --- which ---------------------------------------------------------------------- */

static int
add_chosen (const struct domain *domain, struct requests_machine *machine,
            const struct qmp_disk *disk, const char *name,
            const struct qmp_disks *all, struct failure *why)
{
  const char *reason = unusable (domain, disk);

  if (reason != NULL)
    return failure_set (why, FAILURE_BAD_ARGUMENT, EROFS, "the disk %s of %s is "
                        "%s and cannot be restored: leave it out", name,
                        domain_name (domain), reason);
  for (size_t i = 0; i < all->n; i++)
    if (strcmp (all->disks[i].node, disk->node) == 0 &&
        strcmp (all->disks[i].qdev, disk->qdev) != 0)
      return failure_set (why, FAILURE_BAD_ARGUMENT, ENOTSUP, "the node %s of the "
                          "disk %s is the disk of another device, too (%s), which "
                          "would see what is half restored: remove one of them, "
                          "or shut the machine down, and restore the image",
                          disk->node, name, all->disks[i].name);
  for (guint i = 0; i < machine->disks->len; i++) {
    const struct restore_disk *other =
      &g_array_index (machine->disks, struct restore_disk, i);

    if (strcmp (other->node, disk->node) == 0 ||
        strcmp (other->name, name) == 0)
      return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL, "the disk %s is "
                          "asked for twice", name);
  }
  return add (machine, disk, name, all->survey, why);
}

/* A node that no device has is found by its name alone. */
static int
add_node (struct domain *domain, struct requests_machine *machine,
          const struct qmp_disks *all, const char *name, const char *node,
          struct failure *why)
{
  struct qmp_disk one = { 0 };
  int r;

  for (size_t i = 0; i < all->n; i++)
    if (strcmp (all->disks[i].node, node) == 0)
      return add_chosen (domain, machine, &all->disks[i], name, all, why);
  r = qmp_disk_query (domain->qmp, node, name, &one, why);
  if (r < 0)
    return r;
  r = add_chosen (domain, machine, &one, name, all, why);
  qmp_disk_clear (&one);
  return r;
}

static int
add_given (struct domain *domain, struct requests_machine *machine,
           const struct qmp_disks *all, const char *spec, struct failure *why)
{
  const char *node;
  g_autofree char *name = g_strndup (spec, control_disk_split (spec, &node));
  const struct qmp_disk *disk;
  int r;

  if (node != NULL)
    return add_node (domain, machine, all, name, node, why);
  r = domain_disks_find (domain, all, name, &disk, why);
  return r < 0 ? r : add_chosen (domain, machine, disk, disk->name,
                                 all, why);
}

/* What domain-add was told is what there is to the domain. */
static bool
is_wanted (const struct domain *domain, const struct qmp_disk *disk)
{
  const struct domain_registration *registration = domain->registration;

  for (size_t i = 0; i < registration->n_disks; i++)
    if (strcmp (registration->disks[i].name, disk->name) == 0)
      return true;
  return registration->n_disks == 0;
}

static int
choose (struct domain *domain, const struct control_list *wanted,
        const struct qmp_disks *all, struct requests_machine *machine,
        struct failure *why)
{
  int r = 0;

  for (size_t i = 0; r == 0 && i < wanted->n; i++)
    r = add_given (domain, machine, all, control_list_at (wanted, i), why);
  for (size_t i = 0; wanted->n == 0 && r == 0 && i < all->n; i++)
    if (is_wanted (domain, &all->disks[i]) &&
        unusable (domain, &all->disks[i]) == NULL)
      r = add_chosen (domain, machine, &all->disks[i], all->disks[i].name,
                      all, why);
  return r;
}

int
requests_restore_look (struct domain *domain,
                       const struct arguments_restore_begin *given,
                       struct requests_machine *machine, struct failure *why)
{
  struct qmp_disks all = { 0 };
  int r = check_guest (domain, &machine->restore.awaited, why);

  if (r == 0)
    r = domain_disks_query (domain, &all, why);
  if (r < 0)
    return r;
  machine->disks = g_array_new (FALSE, FALSE, sizeof (struct restore_disk));
  machine->texts = g_ptr_array_new_with_free_func (g_free);
  r = choose (domain, &given->disks, &all, machine, why);
  qmp_disks_clear (&all);
  machine->qemu = qmp_boot_id (domain->qmp);
  machine->restore.qemu = machine->qemu;
  machine->restore.disks = (const void *) machine->disks->data;
  machine->restore.n = machine->disks->len;
  return r;
}

void
requests_restore_clear (struct requests_machine *machine)
{
  if (machine->disks == NULL)
    return;
  for (guint i = 0; i < machine->disks->len; i++) {
    const struct restore_disk *disk =
      &g_array_index (machine->disks, struct restore_disk, i);

    if (disk->fd >= 0)
      close (disk->fd);
  }
  g_array_free (machine->disks, TRUE);
  g_ptr_array_free (machine->texts, TRUE);
  free (machine->qemu);
}
