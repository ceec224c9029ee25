/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <errno.h>
#include <stdlib.h>

#include "qmp-block.h"
#include "qmp-json.h"

static int
copy_numbers (json_object *set, int **fds, size_t *n)
{
  json_object *list = qmp_json_array (set, "fds");
  size_t i, count = qmp_json_length (list);
  int *numbers = calloc (count + 1, sizeof *numbers);

  if (numbers == NULL)
    return -ENOMEM;
  for (i = 0; i < count; i++)
    numbers[i] =
      (int) qmp_json_u64 (json_object_array_get_idx (list, i), "fd");
  *fds = numbers;
  *n = count;
  return 0;
}

int
qmp_fdset (struct qmp *qmp, int64_t id, int **fds, size_t *n)
{
  CLEANUP_JSON json_object *sets = NULL;
  size_t i;
  int r;

  if (!qmp_has_command (qmp, "query-fdsets"))
    return -ENOSYS;
  r = qmp_call (qmp, "query-fdsets", NULL, QMP_TIMEOUT_MS, &sets, NULL);
  if (r < 0)
    return r;
  for (i = 0; i < qmp_json_length (sets); i++) {
    json_object *set = json_object_array_get_idx (sets, i);

    if (id >= 0 && qmp_json_u64 (set, "fdset-id") == (uint64_t) id)
      return copy_numbers (set, fds, n);
  }
  return -ENOENT;
}
