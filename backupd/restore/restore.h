/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* All restores of the daemon.  One writes NBD clients' data into images that no virtual machine
 * uses, from begin to commit or abort:
 *
 *   begin  --> READY --> commit             (whole, synced, under its name)
 *              (COPYING, COPIED, FAILED where the daemon itself writes what differs)
 *              (INTERRUPTED where an instant one does not run: it goes on)
 *                  `---> abort              (as before, if nothing was written; else HALF)
 *                  `---> BROKEN --> abort   (whoever wrote it has died)
 *   HALF: an image that was there before is neither the old one nor the new.  It is marked, on
 *         disk too, until it is restored again or somebody says that it does not matter.
 *
 * There is one set of them in a process.  Threads: any; each restore does one thing at a time, and
 * who comes meanwhile is told so (FAILURE_BUSY). */
#ifndef PULLBACK_RESTORE_H
#define PULLBACK_RESTORE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include <json-c/json.h>

#include "control-commands.h"
#include "failure.h"
#include "qmp.h"

/* Runs FUNCTION with a session with the QEMU of DOMAIN.  KEEP: that stays, and is told of
 * (restore_machine_event, restore_machine_lost), until it is asked without.  -ESRCH: it has no QEMU. */
typedef int restore_ask_fn (const char *domain, bool keep,
                            int (*function) (struct qmp *qmp, void *opaque, struct failure *why),
                            void *opaque, struct failure *why);

/* Of the daemon; all is borrowed until restore_close. */
struct restore_settings {
  const char *runtime, *state;  /* its folders, absolute */
  const char *identity;         /* what tells its state folder from all others */
  const char *gateway_user;     /* whom gateways become; NULL: nobody else */
  uid_t gateway_uid;            /* of that, or the daemon's */
  gid_t gateway_gid;
  const char *const *folders;   /* only images below these; NULL ends them, NULL: any */
  void (*event) (const char *event, json_object *data);         /* takes DATA over */
  restore_ask_fn *ask;
};

/* What an earlier daemon has left of restores: one that is READY goes on, if who writes its images lives;
 * each other is gone afterwards, committed or HALF.
 * What cannot be read is logged and left alone.  Once, from main, before what is below. */
int restore_open (const struct restore_settings *settings, struct failure *why) WARN_UNUSED;

/* LEAVES: those that are READY go on, for the next daemon.  Aborts others that run.  From main, when
 * nothing calls any more. */
void restore_close (bool leaves);

/* Ends what a daemon that died has left in QEMUs.  From main, when these can be asked ... */
void restore_open_machines (void);
/* ... and before they cannot be asked any more: aborts what is in them. */
void restore_close_machines (void);

/* Something happens in the QEMU of DOMAIN, or there is no session with it any more.  From the thread
 * that asks it. */
void restore_machine_event (const char *domain, const char *event);
void restore_machine_lost (const char *domain);

/* Fails (FAILURE_BUSY) where disks that the QEMU of DOMAIN has are being restored. */
int restore_check_machine (const char *domain, struct failure *why) WARN_UNUSED;

/* A disk of a virtual machine.  All is borrowed for the call. */
struct restore_disk {
  const char *name;
  const char *path;             /* of its image, absolute; with a node, what QEMU calls it */
  const char *format;           /* QEMU's name of that */
  /* Of one that a QEMU has: */
  const char *node, *qdev;      /* of struct qmp_disk */
  uint64_t size;                /* bytes that the guest sees */
  int fd;                       /* its image, read-only; -1: not known */
  bool create;                  /* the image does not exist, and is made, of SIZE bytes */
};

/* A virtual machine that is made at the commit. */
struct restore_definition {
  const char *name, *uuid;
  const char *xml;              /* <domain> */
  const char *uri;              /* libvirt's, where it is defined ... */
  const char *path;             /* ... or, where URI is NULL, a new file for its XML */
};

/* What is to be written back where GIVEN has no images, but names a virtual machine. */
struct restore_disks {
  const struct restore_disk *disks;
  size_t n;
  const char *qemu;             /* which has them, by qmp_boot_id; NULL: nobody */
  bool awaited;                 /* its guest comes by a migration: no device has claimed a disk */
  const struct restore_definition *definition;        /* NULL: the disks stay those of theirs */
};

/* DISKS is NULL where GIVEN has images.  *INFO is a new object, as of restore_info. */
int restore_begin (const struct arguments_restore_begin *given, const struct restore_disks *disks,
                   json_object **info, struct failure *why) WARN_UNUSED;

/* All that clients were answered is on stable storage, under its name.  One that fails amid
 * that can be tried again; a broken one cannot (FAILURE_BROKEN). */
int restore_commit (const char *name, json_object **info, struct failure *why) WARN_UNUSED;

/* *INFO says what became of it: state "aborted" or "half".  FORGET: also the marks of a half one
 * go, and nothing says any more what it is. */
int restore_abort (const char *name, bool forget, json_object **info, struct failure *why) WARN_UNUSED;

/* How fast the data of an instant restore moves: MAX_RATE bytes per second, below 1 as before; or that it
 * waits (PAUSE). */
int restore_steer (const char *name, int64_t max_rate, bool pause, json_object **info,
                   struct failure *why) WARN_UNUSED;

int restore_info (const char *name, json_object **info, struct failure *why) WARN_UNUSED;

/* A list of them, sorted by name; new. */
json_object *restore_list (void);

/* Fails (FAILURE_BUSY) where the image IDENTITY, of file-identity.h, is being restored or is only
 * half restored.  IMAGE is what it is called. */
int restore_check_whole (const char *identity, const char *image, struct failure *why) WARN_UNUSED;

/* Was the image, of that IDENTITY or called PATH, restored when DOMAIN had CHECKPOINT already, or
 * can that not be told (rule R11)? */
bool restore_was_after (const char *identity, const char *path, const char *domain,
                        const char *checkpoint);

#endif
