/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Backups are counted by the events that tell of them, so that counters and
 * events cannot differ. */
#include <config.h>

#include <pthread.h>
#include <string.h>

#include <glib.h>

#include "json-members.h"
#include "metrics-count.h"

/* More would not be words of ours. */
#define CAUSES_MOST 64

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* protects the rest */
static double start_time;
static unsigned clients;
static uint64_t begun;
static struct cause {
  char result[32], cause[32];
  uint64_t n;
} causes[CAUSES_MOST] = {
  /* What alerts look at is there from the start. */
  { "committed", "", 0 }, { "aborted", "", 0 }, { "expired", "", 0 },
  { "broken", "", 0 }, { "failed", "", 0 }, { "qemu-exited", "qemu-exited", 0 }
};

void
metrics_count_start (void)
{
  pthread_mutex_lock (&lock);
  start_time = (double) g_get_real_time () / G_USEC_PER_SEC;
  pthread_mutex_unlock (&lock);
}

static void
count_end_locked (const char *result, const char *cause)
{
  struct cause *at;

  if (result == NULL)
    return;
  if (cause == NULL)
    cause = "";
  for (at = causes; at < causes + CAUSES_MOST - 1 && at->result[0] != '\0';
       at++)
    if (strcmp (at->result, result) == 0 && strcmp (at->cause, cause) == 0)
      break;
  if (at->result[0] == '\0') {
    g_strlcpy (at->result, result, sizeof at->result);
    g_strlcpy (at->cause, cause, sizeof at->cause);
  }
  at->n++;
}

void
metrics_count_event (const char *event, json_object *data)
{
  pthread_mutex_lock (&lock);
  if (strcmp (event, "BACKUP_BEGUN") == 0)
    begun++;
  else if (strcmp (event, "BACKUP_ENDED") == 0)
    count_end_locked (json_get_string (data, "result"),
                      json_get_string (data, "cause"));
  pthread_mutex_unlock (&lock);
}

void
metrics_count_clients (unsigned n)
{
  pthread_mutex_lock (&lock);
  clients = n;
  pthread_mutex_unlock (&lock);
}

void
metrics_count_show (struct metrics_text *text)
{
  const struct cause *at;

  pthread_mutex_lock (&lock);
  metrics_text_add (text, METRICS_BUILD, 1, "version", PACKAGE_VERSION, NULL);
  metrics_text_add (text, METRICS_START, start_time, NULL);
  metrics_text_add (text, METRICS_CLIENTS, clients, NULL);
  metrics_text_add (text, METRICS_BEGUN, (double) begun, NULL);
  for (at = causes; at < causes + CAUSES_MOST && at->result[0] != '\0'; at++)
    metrics_text_add (text, METRICS_ENDED, (double) at->n, "result",
                      at->result, "cause", at->cause, NULL);
  pthread_mutex_unlock (&lock);
}
