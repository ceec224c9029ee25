/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "scratch-figures.h"

#define THREADS 4
#define NOTES 20000

static void *
note_many (void *figures)
{
  for (unsigned i = 0; i < NOTES; i++) {
    scratch_figures_note (figures, i % 100 == 0 ? 1000000 + i : 10000);
    scratch_figures_store (figures, 3);
  }
  return NULL;
}

static void
test_counts (const char *folder)
{
  struct scratch_figures *sink, *daemon, *next;
  pthread_t threads[THREADS];
  struct scratch_seen seen;

  assert (scratch_figures_open (folder, &sink) == -ENOENT);
  assert (scratch_figures_create (folder) == 0);
  assert (scratch_figures_open (folder, &sink) == 0);
  assert (scratch_figures_open (folder, &daemon) == 0);
  scratch_figures_look (daemon, &seen);
  assert (seen.writes == 0 && seen.used == 0 && seen.longest_ns == 0);
  assert (scratch_figures_p99 (&seen) == 0);
  for (unsigned i = 0; i < THREADS; i++)
    assert (pthread_create (&threads[i], NULL, note_many, sink) == 0);
  for (unsigned i = 0; i < THREADS; i++)
    assert (pthread_join (threads[i], NULL) == 0);
  scratch_figures_look (daemon, &seen);
  assert (seen.writes == THREADS * NOTES);
  assert (seen.used == 3 * THREADS * NOTES);
  assert (seen.longest_ns == 1000000 + NOTES - 100);
  assert (seen.waits[0] == THREADS * NOTES / 100 * 99);

  /* The next sink goes on. */
  assert (scratch_figures_open (folder, &next) == 0);
  scratch_figures_note (next, 5);
  scratch_figures_look (daemon, &seen);
  assert (seen.writes == THREADS * NOTES + 1);
  assert (seen.longest_ns == 1000000 + NOTES - 100);
  scratch_figures_close (next);
  scratch_figures_close (daemon);
  scratch_figures_close (sink);
  assert (scratch_figures_remove (folder) == 0);
  assert (scratch_figures_remove (folder) == 0);
}

static void
test_words (void)
{
  struct scratch_seen seen = { .longest_ns = 50000000 };

  assert (scratch_figures_bound (0) == 16000);
  assert (scratch_figures_bound (1) == 32000);
  assert (scratch_figures_bound (SCRATCH_FIGURES_WAITS - 2) > 10000000000u);
  assert (scratch_figures_bound (SCRATCH_FIGURES_WAITS - 1) == UINT64_MAX);
  seen.waits[0] = 99;
  seen.waits[5] = 1;
  assert (scratch_figures_p99 (&seen) == 16000);
  seen.waits[5] = 2;
  assert (scratch_figures_p99 (&seen) == 512000);
  /* Never more than the longest was. */
  seen.waits[5] = 0;
  seen.waits[SCRATCH_FIGURES_WAITS - 1] = 50;
  assert (scratch_figures_p99 (&seen) == 50000000);
  /* Of a few it is the longest. */
  memset (seen.waits, 0, sizeof seen.waits);
  seen.waits[0] = 9;
  seen.waits[1] = 1;
  assert (scratch_figures_p99 (&seen) == 32000);
}

static void
test_borders (const char *folder)
{
  struct scratch_figures *figures;
  struct scratch_seen seen;

  assert (scratch_figures_create (folder) == 0);
  assert (scratch_figures_open (folder, &figures) == 0);
  scratch_figures_note (figures, 0);
  scratch_figures_note (figures, 16000);
  scratch_figures_note (figures, 16001);
  scratch_figures_note (figures, UINT64_MAX);
  scratch_figures_note (NULL, 1);
  scratch_figures_store (NULL, 1);
  scratch_figures_look (figures, &seen);
  assert (seen.waits[0] == 2 && seen.waits[1] == 1);
  assert (seen.waits[SCRATCH_FIGURES_WAITS - 1] == 1);
  scratch_figures_close (figures);

  /* A new backup begins anew. */
  assert (scratch_figures_create (folder) == 0);
  assert (scratch_figures_open (folder, &figures) == 0);
  scratch_figures_look (figures, &seen);
  assert (seen.writes == 0);
  scratch_figures_close (figures);
}

static void
test_refused (const char *folder)
{
  struct scratch_figures *figures = NULL;
  char path[256];
  FILE *file;

  snprintf (path, sizeof path, "%s/scratch-figures", folder);
  file = fopen (path, "r+b");
  assert (file != NULL);
  assert (fseek (file, 8, SEEK_SET) == 0 && fputc (2, file) == 2);
  assert (fclose (file) == 0);
  assert (scratch_figures_open (folder, &figures) == -EPROTONOSUPPORT);
  file = fopen (path, "r+b");
  assert (file != NULL && fputc ('x', file) == 'x' && fclose (file) == 0);
  assert (scratch_figures_open (folder, &figures) == -EINVAL);
  assert (truncate (path, 100) == 0);
  assert (scratch_figures_open (folder, &figures) == -EINVAL);
  assert (scratch_figures_remove (folder) == 0);
}

int
main (void)
{
  char folder[] = "/tmp/test-scratch-figures.XXXXXX";

  assert (mkdtemp (folder) != NULL);
  test_words ();
  test_counts (folder);
  test_borders (folder);
  test_refused (folder);
  assert (rmdir (folder) == 0);
  return 0;
}
