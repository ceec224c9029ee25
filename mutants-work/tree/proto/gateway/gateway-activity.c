/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "deadline.h"
#include "gateway-activity.h"
#include "log.h"

#define PAUSE_MS 1000

static int activity_fd = -1;    /* constant once there are threads */
static pthread_mutex_t touch_lock = PTHREAD_MUTEX_INITIALIZER;
static int64_t touched_ms;      /* under touch_lock; 0: never */

int
gateway_activity_open (const char *path, struct failure *why)
{
  activity_fd = open (path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (activity_fd < 0)
    return failure_set (why, FAILURE_STORAGE, errno,
                        "cannot open the activity file %.500s: %s", path,
                        strerror (errno));
  return 0;
}

void
gateway_activity_touch (int64_t *last_ms)
{
  int64_t now = activity_fd < 0 ? 0 : now_ms ();

  if (activity_fd < 0 || (*last_ms != 0 && now - *last_ms < PAUSE_MS))
    return;
  *last_ms = now;
  pthread_mutex_lock (&touch_lock);
  if (touched_ms == 0 || now - touched_ms >= PAUSE_MS) {
    /* The file may be another user's, who alone could set its times. */
    if (pwrite (activity_fd, "", 1, 0) < 0)
      log_warning ("cannot touch the activity file: %s", strerror (errno));
    touched_ms = now;
  }
  pthread_mutex_unlock (&touch_lock);
}
