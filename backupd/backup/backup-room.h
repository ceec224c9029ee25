/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The room that a broken backup's fleece stores take is given back at once: nobody can
 * read right data from them any more (rule B6). */
#ifndef PULLBACK_BACKUP_ROOM_H
#define PULLBACK_BACKUP_ROOM_H

#include "backup-model.h"

/* Of a backup that is not READY, all disks: marks the stores broken where nobody has,
 * and empties them as soon as nothing is stored in them any more, then takes that off the
 * figures.  Waits for nothing: to be called again at each tick.  What cannot be emptied is
 * logged once, and stays until the stores are removed. */
void backup_room_give_back (struct backup *backup);

#endif
