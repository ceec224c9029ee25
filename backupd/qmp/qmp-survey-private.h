/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a struct qmp_survey holds, for the files qmp-survey*.c. */
#ifndef PULLBACK_QMP_SURVEY_PRIVATE_H
#define PULLBACK_QMP_SURVEY_PRIVATE_H

#include <glib.h>

#include "qmp-survey.h"

/* A file that QEMU can read. */
struct qmp_held {
  struct qmp_image image;
  unsigned descriptors;         /* less those of sets, of which nodes open others */
  unsigned nodes;               /* whose names lead to it */
  char *link;                   /* the kernel's name of it, NULL if unknown */
};

/* A node that has a descriptor of its own. */
struct qmp_named {
  const char *filename;         /* as QEMU tells it; borrowed */
  const struct qmp_held *held;  /* what it leads to; NULL: nothing that QEMU has */
  bool fits;                    /* that takes as much storage as QEMU tells of the node's */
};

struct qmp_survey {
  struct qmp *qmp;
  json_object *nodes, *graph, *sets;
  pid_t pid;
  int error;                    /* -errno: its files cannot be seen */
  GArray *before;               /* struct stat of those that it had open before NODES was asked */
  GPtrArray *held;              /* struct qmp_held */
  GArray *named;                /* struct qmp_named */
};

/* Fill in before, and held, from all descriptors of its process.  0 or -errno. */
int qmp_survey_look_before (struct qmp_survey *survey) WARN_UNUSED;
int qmp_survey_hold_all (struct qmp_survey *survey) WARN_UNUSED;
void qmp_survey_held_free (gpointer held);

/* The one of ST; NULL: QEMU has none. */
struct qmp_held *qmp_survey_held (const struct qmp_survey *survey, const struct stat *st);

/* Where the names of all nodes lead, after the descriptors were looked at. */
void qmp_survey_follow_names (struct qmp_survey *survey);

#endif
