/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What QEMU has counted of a guest's requests: of those of the guest's own device,
 * and of no job's, no export's.  Threads and errors as in qmp.h. */
#ifndef PULLBACK_QMP_BLOCKSTATS_H
#define PULLBACK_QMP_BLOCKSTATS_H

#include "qmp.h"

/* Since the device was made. */
struct qmp_blockstats {
  uint64_t operations;          /* completed, of any kind */
  uint64_t transfers;           /* of these, reads and writes */
  uint64_t transfer_ns;         /* that these took together */
  uint64_t idle_ns;             /* since the last one; UINT64_MAX: there was none */
  uint64_t failed;              /* writes, flushes and discards of which the guest was told so */
};

/* Asks for those of all devices, as qmp_ask does. */
int qmp_blockstats_ask (struct qmp *qmp, qmp_answer_fn answer, void *opaque) WARN_UNUSED;

/* The same, and waits for *RESULT, which the caller owns; NULL of a QEMU that has none (the
 * storage daemon). */
int qmp_blockstats_list (struct qmp *qmp, json_object **result, struct failure *why) WARN_UNUSED;

/* Those of the guest's device QDEV (of struct qmp_disk) out of RESULT.  False: QEMU
 * does not count it. */
bool qmp_blockstats_find (json_object *result, const char *qdev, struct qmp_blockstats *stats);

#endif
