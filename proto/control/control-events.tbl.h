/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The events.  This table alone says which there are, and what they tell beside the
 * domain, or, where "restore" is a member, instead of one; a test build of the daemon aborts when it sends anything else, and a test
 * compares the manual page.
 *
 * EVENT (name, message id in the journal, its sentence there: {member} is that of the
 *        data, members of its data beside "domain")
 *
 * No include guard: included with EVENT defined, which is undefined at the end. */

/* A backup that has ended, as backup-list has it with history. */
#define RECORD \
  "outcome result cause started ended duration-ms mode reason checkpoint " \
  "incremental consumer frozen-ms quiesced-ms size dirty-bytes served-bytes " \
  "scratch-bytes adopted restarts disks"

EVENT (DOMAIN_ADDED, "e86e1e34c2c34f0c9c2403b5b4c0e0bd",
       "{domain} is added",
       "qmp libvirt")
EVENT (DOMAIN_REMOVED, "9c7c6d716ab74454919c7939f0783207",
       "{domain} is removed",
       "")
EVENT (GUEST_FROZEN, "991e87d4c59a4934a124acd206120100",
       "the guest of {domain} may be frozen",
       "")
EVENT (GUEST_THAWED, "c8c78ed4db294e6e8d31ca0e93f43c19",
       "the guest of {domain} is thawed",
       "")
EVENT (BACKUP_BEGUN, "9de69c9d2d3a47d680f2a965cbbe4d8d",
       "a backup of {domain} is begun",
       "checkpoint incremental consumer")
EVENT (BACKUP_READY, "23899057509a4952b29d82511a489214",
       "the backup of {domain} is ready, {mode}",
       "checkpoint incremental consumer mode frozen-ms quiesced-ms "
       "consistency")
EVENT (BACKUP_CHILD_RESTARTED, "cd3f874061fa43d5a4c09666b8d01df9",
       "the {role} of {domain} was started again",
       "role restarts pid")
EVENT (BACKUP_SCRATCH, "95ffd6a423124191a43551fca0ad325e",
       "the scratch of {domain} is {percent} % full",
       "of percent used limit")
EVENT (BACKUP_BROKEN, "4355a9756fe041e7a37077f0b2dc4c96",
       "the backup of {domain} is broken: {reason}",
       "reason")
EVENT (BACKUP_EXPIRED, "ff0bd06f2a6b411386562bd02c55e488",
       "the backup of {domain} has expired: {reason}",
       "reason")
EVENT (BACKUP_ADOPTED, "b0a4d1c96c1e4b7f8f5d3a61e2c7905d",
       "the backup of {domain} is taken over",
       "adopted")
EVENT (BACKUP_ENDED, "45ea8623f266456bb88b4945713aecb7",
       "the backup of {domain} has ended: {outcome}",
       RECORD)

EVENT (RESTORE_READY, "b8592445522844eabacc6850dcdb1c2e",
       "the restore {restore} is ready",
       "restore")
EVENT (RESTORE_ENDED, "212a7e3eeb7242c687ecfd93d98a3005",
       "the restore {restore} has ended: {outcome}",
       "restore outcome")

#undef EVENT
#undef RECORD
