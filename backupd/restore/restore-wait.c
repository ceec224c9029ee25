/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who waits has the restore for himself, so that what he waits for is kept beside it, by name. */
#include <config.h>

#include <inttypes.h>
#include <pthread.h>

#include <glib.h>

#include "deadline.h"
#include "restore-wait.h"

/* Storage may take that long without a word. */
#define USUAL_MS 2000

struct wait {
  char *path;
  int64_t since_ms;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static GHashTable *waits;       /* struct wait, by the restore's name; protected by the lock;
                                 * NULL: none */

static void
wait_free (void *data)
{
  struct wait *wait = data;

  g_free (wait->path);
  g_free (wait);
}

void
restore_wait_begin (const char *restore, const char *path)
{
  struct wait *wait = g_new (struct wait, 1);

  *wait = (struct wait) { g_strdup (path), now_ms () };
  pthread_mutex_lock (&lock);
  if (waits == NULL)
    waits = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, wait_free);
  g_hash_table_replace (waits, g_strdup (restore), wait);
  pthread_mutex_unlock (&lock);
}

void
restore_wait_end (const char *restore)
{
  pthread_mutex_lock (&lock);
  if (waits != NULL)
    g_hash_table_remove (waits, restore);
  if (waits != NULL && g_hash_table_size (waits) == 0)
    g_clear_pointer (&waits, g_hash_table_destroy);
  pthread_mutex_unlock (&lock);
}

char *
restore_wait_text (const char *restore)
{
  const struct wait *wait;
  char *text = NULL;

  pthread_mutex_lock (&lock);
  wait = waits == NULL ? NULL : g_hash_table_lookup (waits, restore);
  if (wait != NULL && now_ms () - wait->since_ms > USUAL_MS)
    text = g_strdup_printf ("it waits for the storage of %s, for %" PRId64
                            " s by now", wait->path,
                            (now_ms () - wait->since_ms) / 1000);
  pthread_mutex_unlock (&lock);
  return text;
}
