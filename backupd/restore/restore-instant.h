/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Instant restores: a new qcow2 image has a backup (restore-source.h) as its backing file, in
 * qemu-storage-daemon alone and not in its header, and is exported at once.  What the client writes
 * goes to the image; what it lacks comes into it in the background (restore-move.h).
 *
 * From the moment that clients can write until it is committed or aborted the image is kept,
 * whatever ends: it has what clients were told is flushed, and the journal knows its sources.  A
 * restore whose processes do not run is INTERRUPTED, and goes on by restore-begin, or when the next
 * daemon starts (restore-go-on.h).  Where what clients were answered may be lost, exports have other
 * names from then on: one that was connected must not go on as if nothing had been.
 *
 * This is what such a restore knows of itself.  Threads: any, but where the caller must have the
 * restore. */
#ifndef PULLBACK_RESTORE_INSTANT_H
#define PULLBACK_RESTORE_INSTANT_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include <json-c/json.h>

#include "failure.h"
#include "restore-model.h"

struct nbd_handle;

/* An image, as the thread of the move sees it. */
struct restore_moved {
  struct restore_image *image;
  char *node;                   /* of qemu-storage-daemon; constant */
  /* Of the thread: */
  struct nbd_handle *nbd;       /* to that; NULL: it is not connected */
  int64_t noted;                /* when the journal was told, of now_ms */
  /* Under the lock: */
  const char *state;            /* static: "waiting", "moving", "paused", "stalled", "moved" */
  int64_t again;                /* when the next piece is due, of now_ms */
  uint64_t bytes, all;          /* so much of it has moved, from the start on */
  char *reason;                 /* why it is stalled; NULL */
};

struct restore_instant {
  struct restore *restore;
  /* Of who has the restore: */
  char *tcp;                    /* as it was asked for; NULL */
  unsigned generation;          /* of the exports' names, from 1 */
  bool clean;                   /* nobody can write, and no client believes in more than is in the
                                 * images */
  bool running;                 /* there is a thread */
  pthread_t thread;

  struct restore_moved *disks;
  guint n;

  pthread_mutex_t lock;         /* protects what follows, and of disks what is said there */
  pthread_cond_t wake;
  bool stop;
  bool pause;
  uint64_t rate;                /* bytes per second, of each image */
  bool unsaved;                 /* the journal lacks what was set */
  char *broken;                 /* a source is not what it was: why */
};

/* RESTORE, which has its images, is instant.  RATE: bytes per second, below 1: the usual. */
void restore_instant_create (struct restore *restore, const char *tcp, int64_t rate);
void restore_instant_destroy (struct restore_instant *instant);

/* What the export of IMAGE is called; g_free. */
char *restore_instant_export (const struct restore *restore, const struct restore_image *image);

/* No process of it runs.  Also under the lock of restore-registry.c where nobody has it. */
bool restore_instant_is_interrupted (const struct restore *restore);

/* STATE is static; REASON may be NULL. */
void restore_instant_set_state (struct restore_instant *instant, struct restore_moved *disk,
                                const char *state, const char *reason);

/* The move of DISK has failed, and is tried again a little later. */
void restore_instant_fail (struct restore_instant *instant, struct restore_moved *disk,
                           const char *reason);

/* RATE: bytes per second, 0: as it is. */
void restore_instant_set (struct restore_instant *instant, uint64_t rate, bool pause);

/* Adds to DISK, of restore_info, how far the image called NAME is: "move", "moved", "move-reason".
 * INSTANT may be NULL. */
void restore_instant_tell (struct restore_instant *instant, const char *name, json_object *disk);

/* All images are moved; else a sentence that says which is not, and how far it is. */
int restore_instant_check_moved (struct restore_instant *instant, struct failure *why) WARN_UNUSED;

/* A source is not what it was: why; g_free.  NULL: all are. */
char *restore_instant_broken (struct restore_instant *instant);

/* To and from the journal; nothing where RESTORE is not instant.  After its images. */
void restore_instant_record (const struct restore *restore, json_object *journal);
void restore_instant_from_record (struct restore *restore, json_object *journal);

#endif
