/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include "json-members.h"
#include "qmp-blockstats.h"

int
qmp_blockstats_ask (struct qmp *qmp, qmp_answer_fn answer, void *opaque)
{
  return qmp_ask (qmp, "query-blockstats", answer, opaque);
}

int
qmp_blockstats_list (struct qmp *qmp, json_object **result,
                     struct failure *why)
{
  *result = NULL;
  return !qmp_has_command (qmp, "query-blockstats") ? 0
         : qmp_call (qmp, "query-blockstats", NULL, QMP_TIMEOUT_MS, result,
                     why);
}

/* QEMU leaves it out where there was no request. */
static uint64_t
idle_time (json_object *stats)
{
  return json_object_object_get_ex (stats, "idle_time_ns", NULL)
         ? json_get_u64 (stats, "idle_time_ns") : UINT64_MAX;
}

bool
qmp_blockstats_find (json_object *result, const char *qdev,
                     struct qmp_blockstats *stats)
{
  json_object *device = qdev[0] == '\0' ? NULL
                        : json_find (result, "qdev", qdev);
  json_object *o = device == NULL ? NULL : json_get_object (device, "stats");

  if (o == NULL)
    return false;
  stats->transfers = json_get_u64 (o, "rd_operations") +
                     json_get_u64 (o, "wr_operations");
  stats->operations = stats->transfers +
                      json_get_u64 (o, "flush_operations") +
                      json_get_u64 (o, "unmap_operations");
  stats->transfer_ns = json_get_u64 (o, "rd_total_time_ns") +
                       json_get_u64 (o, "wr_total_time_ns");
  stats->idle_ns = idle_time (o);
  stats->failed = json_get_u64 (o, "failed_wr_operations") +
                  json_get_u64 (o, "failed_flush_operations") +
                  json_get_u64 (o, "failed_unmap_operations");
  return true;
}
