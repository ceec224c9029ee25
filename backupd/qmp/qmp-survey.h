/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What QEMU has at one time: its nodes, and the files that its process has open.  Asked once
 * for all disks and images of a job, of which there may be hundreds.  It gets old: no
 * answer of before an event tells what is after it.  Threads and errors as in qmp.h. */
#ifndef PULLBACK_QMP_SURVEY_H
#define PULLBACK_QMP_SURVEY_H

#include "qmp-image.h"

struct qmp_survey;

/* Asks QEMU, process PID (0: not known).  That its files cannot be seen is no failure: they are not
 * found then. */
int qmp_survey_create (struct qmp *qmp, pid_t pid, struct qmp_survey **survey,
                       struct failure *why) WARN_UNUSED;
/* May be NULL. */
void qmp_survey_destroy (struct qmp_survey *survey);

/* How the nodes hang together, too. */
int qmp_survey_add_graph (struct qmp_survey *survey, struct failure *why) WARN_UNUSED;

/* Borrowed: of qmp_node_list, and of qmp_graph_load (NULL before qmp_survey_add_graph). */
json_object *qmp_survey_nodes (const struct qmp_survey *survey);
json_object *qmp_survey_graph (const struct qmp_survey *survey);

/* The image that QEMU calls FILENAME, among its descriptors.  -errno where it is not found
 * there. */
int qmp_survey_find (const struct qmp_survey *survey, const char *filename,
                     struct qmp_image *image) WARN_UNUSED;

/* Fills in the rest of IMAGE, whose pid and st are there.  -ENOENT: QEMU does not have it. */
int qmp_survey_look (const struct qmp_survey *survey, struct qmp_image *image) WARN_UNUSED;

/* Is what qmp_survey_find found by FILENAME surely what QEMU opened by that name, and no
 * file that got the name since and that QEMU has open for another node (rule V7)?  0,
 * -ENOTUNIQ where that cannot be told, or -errno. */
int qmp_survey_is_certain (const struct qmp_survey *survey, const char *filename,
                           const struct qmp_image *image) WARN_UNUSED;

/* What tells the image FILENAME from others: the name, and for a local one which file
 * QEMU has open by it, as files can be exchanged under their names.  Never NULL; free
 * with g_free. */
char *qmp_survey_image_text (const struct qmp_survey *survey, const char *filename);

#endif
