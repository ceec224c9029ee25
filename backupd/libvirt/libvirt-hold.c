/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* libvirt's file of the machine says that a backup begins from before its first command to QEMU
 * until after its last one, and there is no API that says it without asking QEMU.
 * Only libvirt's user can read it: for others there are QEMU's events of the scratch
 * files, and what libvirt tells of its own work.  libvirt makes image files for other things,
 * too (snapshots, copies), so that these hold for a while only. */
#include <config.h>

#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>

#include <glib.h>

#include "deadline.h"
#include "json-members.h"
#include "libvirt-hold.h"

/* Of QEMU's jobs, those of libvirt that make an image file. */
#define CREATES "create-libvirt-"
/* After the last one's last event libvirt comes to the next step within this. */
#define NEXT_MS 200
#define MOST_MS 2000
/* Such a file that has been the same for so long tells of a libvirtd that was
 * restarted amid a beginning, which ends that never. */
#define STALE_MS 30000

/* --- QEMU's events ---------------------------------------------------- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
/* When such a job was heard of, in now_ms (); 0: of none since it was looked.
 * Protected by the lock. */
static int64_t heard_ms;

void
libvirt_hold_note (const char *event, json_object *data)
{
  const char *id = json_get_string (data, "id");

  if (strcmp (event, "JOB_STATUS_CHANGE") != 0 || id == NULL ||
      !g_str_has_prefix (id, CREATES))
    return;
  pthread_mutex_lock (&lock);
  heard_ms = now_ms ();
  pthread_mutex_unlock (&lock);
}

static int64_t
when_heard (void)
{
  int64_t at;

  pthread_mutex_lock (&lock);
  at = heard_ms;
  pthread_mutex_unlock (&lock);
  return at;
}

/* But not another one of meanwhile. */
static void
forget (int64_t at)
{
  pthread_mutex_lock (&lock);
  if (heard_ms == at)
    heard_ms = 0;
  pthread_mutex_unlock (&lock);
}

static bool
events_say_so (bool (*is_at_work) (void *opaque), void *opaque)
{
  int64_t at = when_heard (), since = now_ms () - at;

  if (at == 0)
    return false;
  if (since < MOST_MS && (since < NEXT_MS || is_at_work (opaque)))
    return true;
  forget (at);
  return false;
}

/* --- libvirt's file ----------------------------------------------------- */

/* <job type='none' async='backup' ...>, and no disk of that backup is <disk name='vda' backup='yes'
 * state='running' ...> yet, nor anything that comes after that. */
static bool
text_says_so (const char *text)
{
  const char *job = strstr (text, "<job type='"), *end, *async;

  if (job == NULL)
    return false;
  end = strchr (job, '>');
  async = strstr (job, " async='backup'");
  return async != NULL && end != NULL && async < end &&
         strstr (text, " backup='yes' state='") == NULL;
}

/* Such a job, and <domainbackup mode='pull' ...>. */
static bool
text_has_pull (const char *text)
{
  return strstr (text, " async='backup'") != NULL &&
         strstr (text, "<domainbackup mode='pull'") != NULL;
}

/* Has it been the same for long?  Of one thread. */
static bool
is_stale (const struct stat *now)
{
  static struct stat seen;
  static int64_t seen_ms;

  if (seen_ms == 0 || seen.st_ino != now->st_ino ||
      seen.st_mtim.tv_sec != now->st_mtim.tv_sec ||
      seen.st_mtim.tv_nsec != now->st_mtim.tv_nsec) {
    seen = *now;
    seen_ms = now_ms ();
  }
  return now_ms () - seen_ms >= STALE_MS;
}

bool
libvirt_hold_is_due (const char *file, bool (*is_at_work) (void *opaque),
                     void *opaque)
{
  g_autofree char *text = NULL;
  struct stat now;

  if (stat (file, &now) < 0 || !g_file_get_contents (file, &text, NULL, NULL))
    return events_say_so (is_at_work, opaque);
  return text_says_so (text) && !is_stale (&now);
}

bool
libvirt_hold_has_pull (const char *file)
{
  g_autofree char *text = NULL;

  return g_file_get_contents (file, &text, NULL, NULL) && text_has_pull (text);
}
