/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A bitmap that an earlier QEMU did not close, or that stopped recording, tells less than has
 * changed: then nothing is told at all.  The export has a disk of zeros, as backups' imports
 * do. */
#include <config.h>

#include <errno.h>
#include <stdbool.h>

#include <glib.h>

#include "granule-map.h"
#include "json-members.h"
#include "log.h"
#include "qmp-bitmap.h"
#include "qmp-export.h"
#include "qmp-node.h"
#include "qmp-transaction.h"
#include "restore-since.h"

#define NULL_NODE "pullback-restore-zeros"
#define EXPORT_ID "pullback-restore-since"

/* --- what is there ------------------------------------------------------------- */

static int
check_bitmap (const struct qmp_bitmap *bitmap, const char *name, bool last,
              struct failure *why)
{
  const char *problem = bitmap == NULL ? "is missing"
                        : bitmap->inconsistent
                        ? "was not saved when the image was last used"
                        : last && !bitmap->recording
                        ? "does not record what is written" : NULL;

  return problem == NULL ? 0
         : failure_set (why, FAILURE_CHAIN, ENODATA, "its bitmap %s %s", name,
                        problem);
}

static int
read_bitmaps (struct qmp *qmp, const char *node, struct qmp_bitmap **bitmaps,
              size_t *n, struct failure *why)
{
  CLEANUP_JSON json_object *nodes = NULL;
  int r = qmp_node_list (qmp, &nodes, why);

  if (r == 0 && qmp_bitmaps_read (json_find (nodes, "node-name", node), bitmaps,
                                  n) < 0)
    g_error ("out of memory");
  return r;
}

static int
check_chain (struct qmp *qmp, const char *node, const char *const *names,
             struct failure *why)
{
  struct qmp_bitmap *bitmaps = NULL;
  size_t n = 0;
  int r = read_bitmaps (qmp, node, &bitmaps, &n, why);

  for (; r == 0 && *names != NULL; names++)
    r = check_bitmap (qmp_bitmaps_find (bitmaps, n, *names), *names,
                      names[1] == NULL, why);
  qmp_bitmaps_free (bitmaps, n);
  return r;
}

static int
count (struct qmp *qmp, const char *node, uint64_t *dirty, struct failure *why)
{
  struct qmp_bitmap *bitmaps = NULL;
  const struct qmp_bitmap *ours;
  size_t n = 0;
  int r = read_bitmaps (qmp, node, &bitmaps, &n, why);

  ours = qmp_bitmaps_find (bitmaps, n, RESTORE_SINCE_BITMAP);
  if (r == 0 && ours == NULL)
    r = failure_set (why, FAILURE_QMP, EPROTO, "the bitmap "
                     RESTORE_SINCE_BITMAP " is gone");
  if (r == 0)
    *dirty = ours->count;
  qmp_bitmaps_free (bitmaps, n);
  return r;
}

/* --- the calls ------------------------------------------------------------------- */

static int
put_together (struct qmp *qmp, const char *node, const char *const *bitmaps,
              struct failure *why)
{
  struct qmp_transaction *t = qmp_transaction_create ();
  int r;

  if (t == NULL)
    g_error ("out of memory");
  qmp_transaction_bitmap_add (t, node, RESTORE_SINCE_BITMAP, GRANULE_DEFAULT,
                              false, true);
  qmp_transaction_bitmap_merge (t, node, RESTORE_SINCE_BITMAP, NULL, bitmaps,
                                g_strv_length ((char **) bitmaps));
  r = qmp_transaction_run (qmp, t, QMP_TIMEOUT_MS, why);
  qmp_transaction_destroy (t);
  return r;
}

int
restore_since_export (struct qmp *qmp, const char *node, uint64_t size,
                      const char *const *bitmaps, const char *export,
                      uint64_t *dirty, struct failure *why)
{
  struct failure left = { .error = 0 };
  uint64_t found = 0;
  int r = check_chain (qmp, node, bitmaps, why);

  if (r < 0)
    return r;
  r = put_together (qmp, node, bitmaps, why);
  if (r == 0)
    r = count (qmp, node, &found, why);
  if (r == 0)
    r = qmp_node_add_null (qmp, NULL_NODE, size, why);
  if (r == 0)
    r = qmp_export_add (qmp, EXPORT_ID, NULL_NODE, export, node,
                        RESTORE_SINCE_BITMAP, why);
  if (r == 0)
    *dirty = found;
  else if (restore_since_remove (qmp, node, &left) < 0)
    log_warning ("%s", left.text);
  return r;
}

static int
remove_bitmap (struct qmp *qmp, const char *node, struct failure *why)
{
  struct qmp_bitmap *bitmaps = NULL;
  struct qmp_transaction *t;
  size_t n = 0;
  int r = read_bitmaps (qmp, node, &bitmaps, &n, why);
  bool there = qmp_bitmaps_find (bitmaps, n, RESTORE_SINCE_BITMAP) != NULL;

  qmp_bitmaps_free (bitmaps, n);
  if (r < 0 || !there)
    return r;
  t = qmp_transaction_create ();
  if (t == NULL)
    g_error ("out of memory");
  qmp_transaction_bitmap_remove (t, node, RESTORE_SINCE_BITMAP);
  r = qmp_transaction_run (qmp, t, QMP_TIMEOUT_MS, why);
  qmp_transaction_destroy (t);
  return r;
}

int
restore_since_remove (struct qmp *qmp, const char *node, struct failure *why)
{
  const char *ids[] = { EXPORT_ID, NULL };
  int r = qmp_export_remove (qmp, ids, QMP_TIMEOUT_MS, why);

  if (r == 0)
    r = qmp_node_remove (qmp, NULL_NODE, why);
  return r < 0 ? r : remove_bitmap (qmp, node, why);
}
