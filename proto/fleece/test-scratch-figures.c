/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "scratch-figures.h"
#include "scratch-ledger.h"

#define THREADS 4
#define NOTES 20000

static const struct scratch_terms no_terms = { .account = -1 };

static void *
note_many (void *figures)
{
  for (unsigned i = 0; i < NOTES; i++) {
    scratch_figures_note (figures, i % 100 == 0 ? 1000000 + i : 10000);
    assert (scratch_figures_take (figures, 3) == 0);
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
  assert (scratch_figures_create (folder, &no_terms) == 0);
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

  assert (scratch_figures_create (folder, &no_terms) == 0);
  assert (scratch_figures_open (folder, &figures) == 0);
  scratch_figures_note (figures, 0);
  scratch_figures_note (figures, 16000);
  scratch_figures_note (figures, 16001);
  scratch_figures_note (figures, UINT64_MAX);
  scratch_figures_note (NULL, 1);
  assert (scratch_figures_take (NULL, 1) == 0);
  scratch_figures_give (NULL, 1);
  scratch_figures_look (figures, &seen);
  assert (seen.waits[0] == 2 && seen.waits[1] == 1);
  assert (seen.waits[SCRATCH_FIGURES_WAITS - 1] == 1);
  scratch_figures_close (figures);

  /* A new backup begins anew. */
  assert (scratch_figures_create (folder, &no_terms) == 0);
  assert (scratch_figures_open (folder, &figures) == 0);
  scratch_figures_look (figures, &seen);
  assert (seen.writes == 0);
  scratch_figures_close (figures);
}

/* Takes one by one what there is. */
static void *
take_all (void *figures)
{
  uintptr_t n = 0;

  while (scratch_figures_take (figures, 1) == 0)
    n++;
  return (void *) n;
}

/* What THREADS have got that took all of FIGURES. */
static uint64_t
taken (struct scratch_figures *figures[THREADS])
{
  pthread_t threads[THREADS];
  uint64_t sum = 0;

  for (unsigned i = 0; i < THREADS; i++)
    assert (pthread_create (&threads[i], NULL, take_all, figures[i]) == 0);
  for (unsigned i = 0; i < THREADS; i++) {
    void *n;

    assert (pthread_join (threads[i], &n) == 0);
    sum += (uintptr_t) n;
  }
  return sum;
}

static void
test_limit (const char *folder)
{
  const struct scratch_terms terms = { NOTES, -1, 7 };
  struct scratch_figures *figures[THREADS];
  struct scratch_seen seen;

  assert (scratch_figures_create (folder, &terms) == 0);
  for (unsigned i = 0; i < THREADS; i++)
    assert (scratch_figures_open (folder, &figures[i]) == 0);
  assert (taken (figures) == NOTES);
  scratch_figures_look (figures[0], &seen);
  assert (seen.used == NOTES && seen.exceeded == SCRATCH_LIMIT_BACKUP);
  assert (seen.terms.limit == NOTES && seen.terms.room == 7);
  assert (seen.terms.account == -1 && seen.host_limit == 0);
  scratch_figures_give (figures[0], 10);
  assert (scratch_figures_take (figures[1], 11) == -EDQUOT);
  assert (scratch_figures_take (figures[1], 10) == 0);
  for (unsigned i = 0; i < THREADS; i++)
    scratch_figures_close (figures[i]);
}

static void
host_folder (const char *folder, unsigned i, char maps[64])
{
  snprintf (maps, 64, "%s/%u", folder, i);
}

static struct scratch_figures *
open_member (const char *folder, unsigned i, int limit)
{
  struct scratch_terms terms = { .limit = 0 };
  struct scratch_figures *figures;
  char maps[64], name[8];

  host_folder (folder, i, maps);
  snprintf (name, sizeof name, "vm%u", i);
  assert (mkdir (maps, 0700) == 0 || errno == EEXIST);
  terms.account = scratch_ledger_enter (folder, name, (uint64_t) limit);
  assert (terms.account == (int) i);
  assert (scratch_figures_create (maps, &terms) == 0);
  assert (scratch_figures_open (maps, &figures) == 0);
  return figures;
}

static void
close_member (const char *folder, unsigned i, struct scratch_figures *figures)
{
  char maps[64], name[8];

  host_folder (folder, i, maps);
  snprintf (name, sizeof name, "vm%u", i);
  scratch_figures_close (figures);
  assert (scratch_figures_remove (maps) == 0);
  assert (scratch_ledger_leave (folder, name) == 0);
  assert (scratch_ledger_leave (folder, name) == 0);
  assert (rmdir (maps) == 0);
}

/* Several backups, each with an account. */
static void
test_host_limit (const char *folder)
{
  struct scratch_figures *figures[THREADS];
  struct scratch_seen seen;
  uint64_t sum;

  for (unsigned i = 0; i < THREADS; i++)
    figures[i] = open_member (folder, i, NOTES);
  /* One that is late may get nothing: this one has something to lose below. */
  assert (scratch_figures_take (figures[1], 1) == 0);
  sum = 1 + taken (figures);
  /* Who meets another's try at the border gives up; nobody exceeds it. */
  assert (sum <= NOTES && sum > NOTES - THREADS);
  scratch_figures_look (figures[0], &seen);
  assert (seen.host_used == sum && seen.host_limit == NOTES);
  assert (seen.exceeded == SCRATCH_LIMIT_HOST);
  while (scratch_figures_take (figures[1], 1) == 0)
    sum++;
  assert (sum == NOTES);
  assert (scratch_ledger_enter (folder, "late", NOTES) == -EDQUOT);

  /* One ends: the others have what it had. */
  scratch_figures_look (figures[0], &seen);
  close_member (folder, 0, figures[0]);
  assert (seen.used == 0 ||
          scratch_figures_take (figures[1], seen.used) == 0);
  assert (scratch_figures_take (figures[1], 1) == -EDQUOT);
  assert (scratch_ledger_enter (folder, "vm1", NOTES) == 1);
  figures[0] = open_member (folder, 0, NOTES);
  for (unsigned i = 0; i < THREADS; i++)
    close_member (folder, i, figures[i]);
}

/* More than was taken, as of figures that were made anew. */
static void *
give_too_much (void *figures)
{
  for (unsigned i = 0; i < NOTES; i++)
    scratch_figures_give (figures, 3);
  return NULL;
}

static void
test_given_too_much (const char *folder)
{
  struct scratch_figures *figures[2];
  pthread_t threads[THREADS];
  struct scratch_seen seen;

  figures[0] = open_member (folder, 0, NOTES);
  figures[1] = open_member (folder, 1, NOTES);
  assert (scratch_figures_take (figures[0], NOTES / 2) == 0);
  assert (scratch_figures_take (figures[1], 7) == 0);
  for (unsigned i = 0; i < THREADS; i++)
    assert (pthread_create (&threads[i], NULL, give_too_much,
                            figures[0]) == 0);
  for (unsigned i = 0; i < THREADS; i++)
    assert (pthread_join (threads[i], NULL) == 0);
  scratch_figures_look (figures[0], &seen);
  assert (seen.used == 0 && seen.host_used == 7);
  assert (scratch_figures_take (figures[1], NOTES - 7) == 0);
  /* What is there counts even where it is more than the limit. */
  scratch_figures_resume (figures[0], 3);
  scratch_figures_look (figures[0], &seen);
  assert (seen.used == 3 && seen.host_used == NOTES + 3);
  assert (scratch_figures_take (figures[1], 1) == -EDQUOT);
  for (unsigned i = 0; i < 2; i++)
    close_member (folder, i, figures[i]);
}

/* As a power cut may leave it. */
static void
test_torn_ledger (const char *folder)
{
  static const size_t lengths[] = { 1, 4096, 266240 };
  char path[256];

  snprintf (path, sizeof path, "%s/.scratch-ledger", folder);
  for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++)
    for (int entered = 0; entered < 2; entered++) {
      FILE *file = fopen (path, "wb");

      assert (file != NULL && fputc ('x', file) == 'x' && fclose (file) == 0);
      assert (truncate (path, (off_t) lengths[i]) == 0);
      if (entered)
        assert (scratch_ledger_enter (folder, "vm0", 100) == 0);
      assert (scratch_ledger_leave (folder, "vm0") == 0);
      assert (access (path, F_OK) < 0);
    }
}

/* Said for good, and to all. */
static void
test_rests (const char *folder)
{
  struct scratch_figures *sink, *daemon;
  struct scratch_seen seen;

  assert (scratch_figures_create (folder, &no_terms) == 0);
  assert (scratch_figures_open (folder, &sink) == 0);
  assert (scratch_figures_open (folder, &daemon) == 0);
  scratch_figures_look (daemon, &seen);
  assert (!seen.rests);
  scratch_figures_rest (sink);
  scratch_figures_close (sink);
  scratch_figures_look (daemon, &seen);
  assert (seen.rests && seen.exceeded == SCRATCH_LIMIT_NONE);
  scratch_figures_close (daemon);
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
  test_rests (folder);
  test_refused (folder);
  test_limit (folder);
  assert (scratch_figures_remove (folder) == 0);
  test_host_limit (folder);
  test_given_too_much (folder);
  test_torn_ledger (folder);
  assert (rmdir (folder) == 0);
  return 0;
}
