/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Direct is quickest, but for images that we may open: raw ones, and chains of qcow2, with
 * QEMU beside for what only QEMU reads of them.  Everything else
 * QEMU reads for us (relay): its server exports the live node.  Where somebody
 * else may resize it QEMU refuses that, and a node is exported instead which
 * reads through the job's own filter: what is in the fleece store from there,
 * the rest from the live node, while it holds guest writes to what it reads.
 * Either is what rule V2 asks of a base. */
#include <config.h>

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "backup-base.h"
#include "backup-chain.h"
#include "client.h"
#include "backup-flush.h"
#include "backup-image.h"
#include "backup-iothread.h"
#include "backup-qemu.h"
#include "backup-steps.h"
#include "backup-write-error.h"
#include "log.h"
#include "qmp-export.h"
#include "qmp-node.h"

#define FLUSH_TIMEOUT_MS 5000

/* --- direct ------------------------------------------------------- */

static bool
direct_open (const struct backup *backup, struct backup_disk *disk,
             const struct qmp_disk *live)
{
  struct backup_image *image = backup_image_open (backup->vm.survey, live,
                                                  backup->vm.pid);

  if (image == NULL)
    return false;
  g_ptr_array_add (disk->images, image);
  backup_chain_note_raw (backup, disk);
  return true;
}

static void
direct_tell (const struct backup *backup, const struct backup_disk *disk,
             GPtrArray *arguments, GArray *descriptors, unsigned first)
{
  const struct backup_image *image = g_ptr_array_index (disk->images, 0);

  g_ptr_array_add (arguments, g_strdup_printf ("direct-fd=%u",
                                               first + descriptors->len));
  g_ptr_array_add (arguments, g_strdup_printf ("direct-id=%s", image->id));
  g_array_append_val (descriptors, image->fd);
}

/* --- relay -------------------------------------------------------- */

static bool
relay_open (const struct backup *backup, struct backup_disk *disk,
            const struct qmp_disk *live)
{
  return true;
}

static int
relay_by_filter (struct backup *backup, struct backup_disk *disk,
                 const struct failure *refusal, struct failure *why)
{
  struct failure other = { .error = 0 };
  int r = qmp_node_add_access (backup->vm.qmp, disk->access_node,
                               disk->filter_node, &other);

  backup_base_relay (disk);
  if (r == 0)
    r = qmp_export_add (backup->vm.qmp, disk->relay_id, disk->access_node,
                        disk->name, NULL, NULL, &other);
  if (r == 0)
    log_disk_info (disk->name, "disk %s is read through the job's filter: %s",
                   disk->name, refusal->text);
  return r == 0 ? 0 :
    failure_set (why, other.class, -r, "the disk %s cannot be read through "
                 "QEMU (%s), nor by the job's filter (%s): leave it out, or "
                 "end what may resize it, such as a FUSE export", disk->name,
                 refusal->text, other.text);
}

static int
relay_start (struct backup *backup, struct backup_disk *disk,
             struct failure *why)
{
  struct failure refusal = { .error = 0 };
  int r = qmp_export_add (backup->vm.qmp, disk->relay_id, disk->node,
                          disk->name, NULL, NULL, &refusal);

  if (r == -EREMOTEIO)
    return relay_by_filter (backup, disk, &refusal, why);
  return r == 0 ? 0 : failure_set (why, refusal.class, -r, "%s", refusal.text);
}

static int
relay_stop (struct backup *backup, struct failure *why)
{
  g_autoptr (GPtrArray) exports = g_ptr_array_new ();
  g_autoptr (GPtrArray) nodes = g_ptr_array_new ();
  struct backup_disk *disk;

  FOR_EACH_DISK (backup, disk) {
    g_ptr_array_add (exports, disk->relay_id);
    g_ptr_array_add (nodes, disk->access_node);
  }
  return backup_qemu_remove (backup, exports, nodes, why);
}

static void
tell_uri (const struct backup *backup, const struct backup_disk *disk,
          GPtrArray *arguments)
{
  g_autofree char *socket =
    g_uri_escape_string (backup->serving.qemu_socket, "/", FALSE);

  g_ptr_array_add (arguments,
                   g_strdup_printf ("relay=nbd+unix:///%s?socket=%s",
                                    disk->name, socket));
}

static void
relay_tell (const struct backup *backup, const struct backup_disk *disk,
            GPtrArray *arguments, GArray *descriptors, unsigned first)
{
  tell_uri (backup, disk, arguments);
  if (disk->cluster >= 0)
    g_ptr_array_add (arguments, g_strdup_printf ("relay-cluster=%" PRIi64,
                                                 disk->cluster));
}

/* --- qcow2 -------------------------------------------------------- */

/* Tables that can be believed (rule D8)? */
static bool
tables_open (const struct backup *backup, struct backup_disk *disk,
             const struct qmp_disk *live)
{
  bool failed = backup_write_error_was (backup, disk);

  if (failed)
    log_disk_info (disk->name, "disk %s goes through QEMU: a write of the "
                   "guest failed in QEMU, the tables in its image may not be "
                   "those that QEMU goes by", disk->name);
  return !failed && backup_chain_open (backup, disk, live);
}

static bool
qcow2_open (const struct backup *backup, struct backup_disk *disk,
            const struct qmp_disk *live)
{
  return backup_iothread_kills_server (backup, disk, live) == 0 &&
         tables_open (backup, disk, live);
}

static int
qcow2_flush (struct backup *backup, struct backup_disk *disk,
             int64_t deadline, struct failure *why)
{
  const struct client_address address = {
    .socket = backup->serving.qemu_socket
  };
  struct failure unflushed = { .error = 0 };
  int r = backup_flush_prepare (backup, disk, deadline, &unflushed);

  if (r == 0)
    r = client_flush (&address, disk->name, FLUSH_TIMEOUT_MS,
                             &unflushed);
  if (r == 0)
    return 0;
  log_disk_info (disk->name, "disk %s goes through QEMU: %s", disk->name,
                 unflushed.text);
  backup_base_relay (disk);
  return 0;
}

static void
qcow2_tell (const struct backup *backup, const struct backup_disk *disk,
            GPtrArray *arguments, GArray *descriptors, unsigned first)
{
  backup_chain_tell (disk, arguments, descriptors, first);
  tell_uri (backup, disk, arguments);
}

/* --- qcow2 without QEMU's server ---------------------------------- */

static bool
alone_open (const struct backup *backup, struct backup_disk *disk,
            const struct qmp_disk *live)
{
  int r;

  if (backup_iothread_kills_server (backup, disk, live) != 1 ||
      !qmp_has_command (backup->vm.qmp, "blockdev-reopen") ||
      !tables_open (backup, disk, live))
    return false;
  r = backup_chain_needs_qemu (disk);
  if (r == 0)
    return true;
  log_disk_info (disk->name, "disk %s goes through QEMU: %s", disk->name,
                 r > 0 ? "it has compressed or shared clusters"
                 : g_strerror (-r));
  g_ptr_array_set_size (disk->images, 0);
  return false;
}

static int
alone_flush (struct backup *backup, struct backup_disk *disk,
             int64_t deadline, struct failure *why)
{
  struct failure unflushed = { .error = 0 };
  int r = backup_flush_prepare (backup, disk, deadline, &unflushed);

  if (r == 0)
    r = qmp_node_flush (backup->vm.qmp, disk->filter_node, disk->node,
                        disk->sink_node, &unflushed);
  return r == 0 ? 0
         : failure_set (why, unflushed.class, -r, "disk %s cannot be read: %s",
                        disk->name, unflushed.text);
}

static void
alone_tell (const struct backup *backup, const struct backup_disk *disk,
            GPtrArray *arguments, GArray *descriptors, unsigned first)
{
  backup_chain_tell (disk, arguments, descriptors, first);
}

/* --- the table ---------------------------------------------------- */

/* In the order in which they are tried.  What relay stops is that of all. */
static const struct backup_base bases[] = {
  { .name = "direct", .open = direct_open,
    .tell = direct_tell, .problem = backup_chain_problem },
  { .name = "qcow2", .needs_server = true, .open = qcow2_open,
    .start = relay_start, .flush = qcow2_flush,
    .tell = qcow2_tell, .problem = backup_chain_problem },
  { .name = "qcow2-alone", .open = alone_open, .flush = alone_flush,
    .tell = alone_tell, .problem = backup_chain_problem },
  { .name = "relay", .needs_server = true, .open = relay_open,
    .start = relay_start, .stop = relay_stop, .tell = relay_tell },
};

void
backup_base_relay (struct backup_disk *disk)
{
  g_ptr_array_set_size (disk->images, 0);
  disk->base = &bases[G_N_ELEMENTS (bases) - 1];
}

static int
check_iothread (const struct backup *backup, struct backup_disk *disk,
                const struct qmp_disk *live, struct failure *why)
{
  int r = backup_iothread_kills_server (backup, disk, live);

  if (r < 0)
    r = backup_iothread_ask (backup, live, why);
  return r <= 0 ? r :
    failure_set (why, FAILURE_QMP_UNSUPPORTED, ENOTSUP, "disk %s is served by "
                 "an iothread and has to be read through QEMU's NBD server, "
                 "with which this QEMU would abort: leave the disk out "
                 "(--disk), or take it off the iothread; QEMU 10.0 can do it, "
                 "and raw images, and qcow2 without compressed clusters, do "
                 "not need it", disk->name);
}

int
backup_base_choose (const struct backup *backup, struct backup_disk *disk,
                    const struct qmp_disk *live, struct failure *why)
{
  disk->kills_server = -EAGAIN;
  for (disk->base = bases; !disk->base->open (backup, disk, live); )
    disk->base++;
  return disk->base->needs_server ? check_iothread (backup, disk, live, why)
         : 0;
}

const struct backup_base *
backup_base_called (const char *name)
{
  for (size_t i = 0; i < G_N_ELEMENTS (bases); i++)
    if (strcmp (bases[i].name, name) == 0)
      return &bases[i];
  return NULL;
}

int
backup_base_look (struct backup *backup, char **problem, struct failure *why)
{
  struct backup_disk *disk;
  int r = backup_model_survey (&backup->vm, why);

  *problem = NULL;
  FOR_EACH_DISK (backup, disk)
    if (r == 0 && *problem == NULL && disk->base->problem != NULL)
      *problem = disk->base->problem (backup, disk);
  g_clear_pointer (&backup->vm.survey, qmp_survey_destroy);
  return r;
}

int
backup_base_reopen (const struct backup *backup, struct backup_disk *disk,
                    int view, unsigned *number, struct failure *why)
{
  struct backup_image *image;
  int r = 0;

  FOR_EACH_IMAGE (disk, image)
    if (r == 0)
      r = backup_image_reopen (image, view, (*number)++, backup->vm.pid);
  return r == 0 ? 0 :
    failure_set (why, FAILURE_STORAGE, -r, "the image of disk %s, as it was, "
                 "cannot be opened again (%s)", disk->name, g_strerror (-r));
}

bool
backup_base_needs_server (const struct backup *backup)
{
  struct backup_disk *disk;

  FOR_EACH_DISK (backup, disk)
    if (disk->base->needs_server)
      return true;
  return false;
}

int
backup_base_export (void *context, struct failure *why)
{
  struct backup *backup = context;
  struct backup_disk *disk;
  int r = 0;

  FOR_EACH_DISK (backup, disk)
    if (r == 0 && disk->base->start != NULL)
      r = disk->base->start (backup, disk, why);
  return r;
}

int
backup_base_unexport (void *context, struct failure *why)
{
  struct backup *backup = context;
  int first = 0;

  for (size_t i = 0; backup->vm.qmp != NULL && i < G_N_ELEMENTS (bases); i++) {
    int r = bases[i].stop == NULL ? 0 : bases[i].stop (backup, why);

    first = first != 0 ? first : r;
  }
  return first;
}
