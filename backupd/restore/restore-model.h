/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a restore is made of: the struct behind restore.h.  Private to backupd/restore. */
#ifndef PULLBACK_RESTORE_MODEL_H
#define PULLBACK_RESTORE_MODEL_H

#include <glib.h>

#include "process-child.h"
#include "process-nbd.h"
#include "qmp-names.h"
#include "restore-range.h"
#include "restore-target.h"
#include "restore.h"

/* How far it has come: what the journal says of it. */
enum restore_phase {
  RESTORE_PHASE_BEGIN,          /* nobody could write to its images yet */
  RESTORE_PHASE_WRITABLE,
  RESTORE_PHASE_COMMIT,         /* all is synced: images get their names, or lose their marks */
  RESTORE_PHASE_ENDING,         /* nobody can write any more, and what is half is known: the rest of
                                 * an abort is to be done */
  RESTORE_PHASE_HALF            /* it has ended, and left an image that is half restored */
};

struct restore_image {
  char *disk;                   /* what the export is called */
  char *path;                   /* absolute, as it was given */
  char *format;                 /* of one that exists; NULL: as --format says */
  bool create;
  ino_t folder;                 /* of a new one: which is to have it; 0: not known */
  bool half;                    /* somebody has written to it, and it was not committed */
  bool left;                    /* its mark or temporary file could not be removed */
  int io_number, lock_number;   /* its descriptors in the process that writes it; 0: none has it */
  struct restore_target *target;        /* NULL: not open, or nothing is left of it */
  char *from;                   /* the URI of the disk that it is made equal to; NULL: none */
  struct process_child *copy;   /* which does that; NULL: it was not started */
  struct restore_range *range;  /* what tells what has changed; NULL: not known */
  char *node, *qdev;            /* of struct qmp_disk, in QEMU; NULL: no QEMU has it */
  int fd;                       /* likewise: the image, read-only; -1: not open */
  uint64_t size;                /* that the guest sees, or, of a new machine's, will; 0: not known */
  struct restore_source *source;        /* of an instant restore; NULL: none */
  uint64_t moved_to;            /* durably: so much of the source is in the image, from its start */
  bool moved;                   /* all of it */
  char *identity;               /* of file-identity.h, under the lock of restore-registry.c;
                                 * NULL: not known yet */
  char *name;                   /* likewise: of a new one, where it will be */
};

struct restore {
  char *name;
  int64_t started;              /* seconds since the epoch */
  GPtrArray *images;            /* struct restore_image */
  const struct restore_settings *settings;
  const struct arguments_restore_begin *given;  /* while it begins; else NULL */
  char *since;                  /* a checkpoint: what has changed since is told; NULL: none */
  struct restore_instant *instant;      /* NULL: it is none */
  enum restore_phase phase;
  json_object *definition;      /* of restore-definition.h; NULL: none is made */
  char *id;                     /* nobody else's, for its maps (restore-written.h); NULL: not known */
  char *boot;                   /* of the host, while clients could write; NULL: not known */
  char *qemu;                   /* which has its images, by qmp_boot_id, and is that of the domain
                                 * of this NAME; NULL: none has */
  char tag[QMP_TAG_SIZE];       /* of what is ours in it */
  bool awaited;                 /* of struct restore_disks */

  char *journal;                /* STATE/.restore/NAME.json */
  char *folder;                 /* RUNTIME/.restore/NAME, and in it: */
  char *plugin_socket, *storage_socket, *client_socket, *routes;
  char *monitor;                /* QMP of qemu-storage-daemon */
  struct process_nbd_front front;
  struct process_child *plugin, *storage, *gateway;     /* NULL: it does not run */
  bool lost;                    /* what qemu-storage-daemon held back is */
  bool ready;                   /* durably: the next daemon may take it over */
  bool adopting;                /* processes are taken over, not started */

  /* Under the lock of restore-registry.c. */
  const char *doing;            /* static: "beginning"; NULL: nobody does anything with it */
  char *reason;                 /* why it is broken, half, or not committed yet; NULL */
  bool broken;                  /* it cannot be committed */
  bool ending;                  /* an abort of it has failed half way: it can only go on */
  json_object *published;       /* what others may see of the rest while something is done */
};

#define FOR_EACH_RESTORE_IMAGE(restore, image) \
  for (guint i_ = 0; i_ < (restore)->images->len && \
       ((image) = g_ptr_array_index ((restore)->images, i_), true); i_++)

struct restore *restore_model_create (const char *name, const struct restore_settings *settings);

/* The folder of a restore NAME of this daemon; g_free. */
char *restore_model_folder (const char *name, const struct restore_settings *settings);

/* It was another daemon's, whose runtime folder was another one. */
void restore_model_set_folder (struct restore *restore, const char *folder);

/* Closes the targets; processes must not run. */
void restore_model_destroy (struct restore *restore);

struct restore_image *restore_model_add_image (struct restore *restore, const char *disk,
                                               const char *path, bool create);

/* Of a descriptor that a process of ours gets among MORE_FDS (of process-child.h): which image's it
 * is, that one notes as io_number or lock_number. */
void restore_model_note_fds (struct restore *restore, const int *more_fds, size_t n);

/* Is an image half restored? */
bool restore_model_is_half (const struct restore *restore);

/* A file FOLDER/NAME.KIND of it; g_free. */
char *restore_model_file (const struct restore *restore, const char *name, const char *kind);

#endif
