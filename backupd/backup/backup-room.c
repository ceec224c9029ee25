/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Two must not be harmed.  A client must never take for data what it reads where old
 * data was: so "broken" comes first, which views look at after each read.  And the guest
 * must not wait: emptying a large file holds its lock for long, so that it begins when the
 * sink has no write to it under way, and says so, or has ended; a process of its own does
 * it, as the storage may hang.
 *
 * Nothing of this is in the journal.  The next daemon finds a store that is broken when
 * it takes the backup over, and does all of it again; where the journal says that it
 * is broken, its end removes what is left. */
#include <config.h>

#include <errno.h>
#include <inttypes.h>

#include "backup-room.h"
#include "backup-stores.h"
#include "log.h"
#include "process-spawn.h"
#include "scratch-figures.h"

/* Another sink that is started sees "broken" from the start.  One that hung in the
 * kernel, and was left there, may yet store its last write, which takes room until the
 * stores are removed; QEMU has let go of it. */
static bool
sink_rests (const struct backup *backup)
{
  struct process_child *sink = backup->serving.sink;
  struct scratch_seen seen;

  if (sink == NULL || process_child_status (sink).pid == 0)
    return true;
  if (backup->figures == NULL)
    return false;
  scratch_figures_look (backup->figures, &seen);
  return seen.rests;
}

static void
start (struct backup_disk *disk, struct backup_room *room, struct failure *why)
{
  int r = backup_store_files_empty (fleece_store_data_fd (disk->store),
                                    disk->size, &room->emptier, why);

  if (r == 0)
    room->state = BACKUP_ROOM_LEAVES;
  else if (!process_spawn_is_short (r))
    room->state = BACKUP_ROOM_STUCK;
}

static void
look (struct backup_room *room, struct failure *why)
{
  int r = backup_store_files_emptied (&room->emptier, why);

  if (r != -EAGAIN)
    room->state = r == 0 ? BACKUP_ROOM_FREE : BACKUP_ROOM_STUCK;
}

/* Is the store of DISK empty? */
static bool
empty (const struct backup *backup, struct backup_disk *disk)
{
  struct backup_room *room = &disk->room;
  enum backup_room_state before = room->state;
  struct failure why = { .error = 0 };

  if (before == BACKUP_ROOM_TAKEN)
    start (disk, room, &why);
  else if (before == BACKUP_ROOM_LEAVES)
    look (room, &why);
  if (room->state == BACKUP_ROOM_STUCK && before != BACKUP_ROOM_STUCK)
    log_disk_warning (disk->name, "what the fleece store of disk %s takes in "
                      "%s is given back only when the broken backup is "
                      "aborted: %s", disk->name, backup->paths.scratch_folder,
                      why.text);
  return room->state == BACKUP_ROOM_FREE;
}

/* Of all disks at once, as nobody counts them apart. */
static void
take_off (struct backup *backup)
{
  struct scratch_seen seen = { .used = 0 };

  if (backup->figures != NULL) {
    scratch_figures_look (backup->figures, &seen);
    scratch_figures_give (backup->figures, seen.used);
  }
  backup->freed += seen.used;
  backup->room_is_free = true;
  log_info ("the backup of %s is broken: what its fleece stores took in %s is "
            "given back", backup->options.domain, backup->paths.scratch_folder);
}

void
backup_room_give_back (struct backup *backup)
{
  struct backup_disk *disk;
  guint stores = 0, empties = 0;

  /* After a commit clients may be reading yet. */
  if (backup->room_is_free ||
      (backup->state == BACKUP_ENDING && backup->serving.view != NULL))
    return;
  backup_stores_break (backup);
  if (!sink_rests (backup))
    return;
  FOR_EACH_DISK (backup, disk)
    if (disk->store != NULL) {
      stores++;
      empties += empty (backup, disk);
    }
  if (stores > 0 && empties == stores)
    take_off (backup);
}
