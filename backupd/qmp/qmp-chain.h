/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The images that a disk's bytes are in, as QEMU has them open: what the images' own headers
 * name may be something else.  Threads and errors as in qmp.h. */
#ifndef PULLBACK_QMP_CHAIN_H
#define PULLBACK_QMP_CHAIN_H

#include <stdbool.h>
#include <stdint.h>

#include <glib.h>

#include "qmp-survey.h"

/* One image. */
struct qmp_layer {
  const char *format;           /* "qcow2", "raw", or "data": the data file of the qcow2
                                 * image before it; static */
  char *node;                   /* of that format; of "data" and of an image without a
                                 * format node the protocol's */
  char *filename;               /* as QEMU prints it */
  char *file;                   /* what tells its file from others that the node might be given:
                                 * the node that has it open, and the name */
  uint64_t size;                /* bytes that it shows; 0 of "data" */
  bool read_only;               /* QEMU may not write it now; false of "data" */
  bool never_flushed;           /* QEMU leaves it to the kernel when it gets to the disk */
};

/* Those of NODE in SURVEY, which has its graph, the top first, at most QMP_CHAIN_MAX; free with g_ptr_array_unref.  -ENOTSUP and why
 * where something in it is not a local qcow2 or raw image (a filter, another format or
 * protocol, encryption), or QEMU does not tell. */
#define QMP_CHAIN_MAX 64
int qmp_chain_find (const struct qmp_survey *survey, const char *node, GPtrArray **layers,
                    struct failure *why) WARN_UNUSED;

#endif
