/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The images in the backing chain of a disk, and the bitmaps that are on them. */
#ifndef PULLBACK_QMP_LOWER_H
#define PULLBACK_QMP_LOWER_H

#include "qmp-bitmap.h"
#include "qmp-survey.h"

struct qmp_lower {
  char *node;
  char *image;                  /* of qmp_survey_image_text */
  struct qmp_bitmap *bitmaps;
  size_t n_bitmaps;
  bool shows_through;           /* where no image above it has anything allocated, the
                                 * disk shows what this one has, and what was allocated
                                 * stays so (rule C11) */
};

/* Those below NODE in SURVEY, filters among them, the nearest first, as far as QEMU tells how nodes
 * hang together.  UNSEEN: there are others that are none of one chain, or which SURVEY lacks.
 * 0, or -ENOMEM and what there is to be freed. */
int qmp_lower_read (const struct qmp_survey *survey, const char *node,
                    struct qmp_lower **lower, size_t *n, bool *unseen) WARN_UNUSED;
void qmp_lower_free (struct qmp_lower *lower, size_t n);

/* How the images of a disk are divided. */
struct qmp_clusters {
  uint64_t least;               /* bytes: nothing smaller is allocated by itself */
  uint64_t largest;             /* bytes of a cluster; both 0: no image has any */
};

/* Of NODE in SURVEY, which has its graph, and of all that are below it.  False: not known, as one of
 * them is no local qcow2 or raw image, or QEMU does not tell. */
bool qmp_lower_clusters (const struct qmp_survey *survey, const char *node,
                         struct qmp_clusters *clusters) WARN_UNUSED;

/* Can NODE's image, of query-named-block-nodes, keep bitmaps?  (qcow2, compat 1.1.) */
bool qmp_lower_can_persist (json_object *node);

#endif
