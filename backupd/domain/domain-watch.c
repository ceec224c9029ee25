/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Nobody asks a virtual machine that has no backup, so that its state would be that of the
 * last time; and libvirt tells changes to who listens only.  Which URIs there are is
 * looked up each time: the registry says when a domain comes, but not when one goes.  What is
 * said here is for people: what a backup does goes by its own session. */
#include <config.h>

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <glib.h>

#include "deadline.h"
#include "domain-libvirt.h"
#include "domain-watch.h"
#include "json-members.h"
#include "libvirt-watch.h"
#include "log.h"

/* A libvirt that does not answer is asked again. */
#define AGAIN_MS 5000

/* One libvirt. */
struct site {
  char *uri;
  struct libvirt_watch *watch;  /* NULL: not connected */
  int64_t again_at;             /* then, in now_ms () */
  bool used;                    /* by a domain */
  bool told;                    /* that it does not answer */
};

/* Of main, but for wake_fd, which any thread writes to while it is there. */
static pthread_t thread;
static bool started;
static int wake_fd = -1;

/* Of the thread, and of main before it starts. */
static struct domain_registry *registry;
static GPtrArray *sites;        /* of struct site */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static bool stopping;           /* protected by the lock */

/* --- which there are ------------------------------------------------------- */

static void
site_destroy (void *opaque)
{
  struct site *site = opaque;

  libvirt_watch_close (site->watch);
  g_free (site->uri);
  g_free (site);
}

static void
use_site (struct domain *domain, void *opaque)
{
  const char *uri = domain->registration->libvirt_uri;
  struct site *site;
  guint i;

  if (uri == NULL)
    return;
  for (i = 0; i < sites->len; i++) {
    site = g_ptr_array_index (sites, i);
    if (strcmp (site->uri, uri) == 0) {
      site->used = true;
      return;
    }
  }
  site = g_new0 (struct site, 1);
  site->uri = g_strdup (uri);
  site->used = true;
  g_ptr_array_add (sites, site);
}

static void
find_sites (void)
{
  guint i;

  for (i = 0; i < sites->len; i++)
    ((struct site *) g_ptr_array_index (sites, i))->used = false;
  domain_registry_each (registry, use_site, NULL);
  for (i = sites->len; i-- > 0; )
    if (!((struct site *) g_ptr_array_index (sites, i))->used)
      g_ptr_array_remove_index_fast (sites, i);
}

/* --- what they say ----------------------------------------------------------- */

struct news {
  const struct site *site;
  json_object *machines;        /* NULL: nothing is known */
};

static void
tell (struct domain *domain, void *opaque)
{
  const struct news *news = opaque;
  const struct domain_registration *registration = domain->registration;
  json_object *machine;

  if (g_strcmp0 (registration->libvirt_uri, news->site->uri) != 0 ||
      registration->libvirt_uuid == NULL)
    return;
  if (news->machines == NULL) {
    domain_libvirt_note (domain, DOMAIN_STATE_UNKNOWN, NULL);
    return;
  }
  machine = json_find (news->machines, "uuid", registration->libvirt_uuid);
  domain_libvirt_note (domain, machine == NULL ? DOMAIN_UNDEFINED
                       : json_has_string (machine, "state", "running")
                       ? DOMAIN_RUNS : DOMAIN_OFF,
                       json_get_string (machine, "name"));
}

static void
tell_all (const struct site *site, json_object *machines)
{
  struct news news = { .site = site, .machines = machines };

  domain_registry_each (registry, tell, &news);
}

static void
lose (struct site *site, const struct failure *why)
{
  libvirt_watch_close (site->watch);
  site->watch = NULL;
  site->again_at = now_ms () + AGAIN_MS;
  tell_all (site, NULL);
  if (!site->told)
    log_warning ("%s", why->text);
  site->told = true;
}

static void
open_site (struct site *site)
{
  struct failure why = { .error = 0 };

  if (site->watch == NULL && now_ms () >= site->again_at &&
      libvirt_watch_open (site->uri, &site->watch, &why) < 0)
    lose (site, &why);
}

/* All that is there: poll sees none of what has been received with another list. */
static void
read_site (struct site *site)
{
  struct failure why = { .error = 0 };
  int r;

  do {
    CLEANUP_JSON json_object *machines = NULL;

    r = libvirt_watch_read (site->watch, 0, &machines, &why);
    if (r == 0) {
      tell_all (site, machines);
      site->told = false;
    }
  } while (r == 0);
  if (r != -ETIMEDOUT)
    lose (site, &why);
}

/* --- the thread --------------------------------------------------------------- */

static bool
is_stopping (void)
{
  bool is;

  pthread_mutex_lock (&lock);
  is = stopping;
  pthread_mutex_unlock (&lock);
  return is;
}

/* Opens what is to be open; until when there is nothing else to do. */
static int
open_sites (GArray *polled)
{
  int64_t at = INT64_MAX;
  guint i;

  for (i = 0; i < sites->len; i++) {
    struct site *site = g_ptr_array_index (sites, i);
    struct pollfd one = { .fd = -1, .events = POLLIN };

    open_site (site);
    if (site->watch != NULL)
      one.fd = libvirt_watch_fd (site->watch);
    else
      at = MIN (at, site->again_at);
    g_array_append_val (polled, one);
  }
  return at == INT64_MAX ? -1 : ms_left (at);
}

static void
run_once (void)
{
  g_autoptr (GArray) polled = g_array_new (FALSE, FALSE,
                                           sizeof (struct pollfd));
  struct pollfd wake = { .fd = wake_fd, .events = POLLIN };
  eventfd_t count;
  guint i;
  int timeout;

  find_sites ();
  timeout = open_sites (polled);
  g_array_append_val (polled, wake);
  if (poll ((struct pollfd *) (void *) polled->data, polled->len, timeout) < 0)
    return;
  for (i = 0; i < sites->len; i++)
    if (g_array_index (polled, struct pollfd, i).revents != 0)
      read_site (g_ptr_array_index (sites, i));
  if (g_array_index (polled, struct pollfd, i).revents != 0)
    (void) eventfd_read (wake_fd, &count);
}

static void *
run (void *opaque)
{
  while (!is_stopping ())
    run_once ();
  /* The programs end with this thread anyway. */
  g_ptr_array_free (sites, TRUE);
  return NULL;
}

int
domain_watch_start (struct domain_registry *new, struct failure *why)
{
  int r;

  registry = new;
  sites = g_ptr_array_new_with_free_func (site_destroy);
  wake_fd = eventfd (0, EFD_CLOEXEC | EFD_NONBLOCK);
  r = wake_fd < 0 ? errno : pthread_create (&thread, NULL, run, NULL);
  if (r != 0)
    return failure_set (why, FAILURE_GENERIC, r,
                        "cannot start a thread for libvirt: %s",
                        g_strerror (r));
  started = true;
  return 0;
}

void
domain_watch_look (void)
{
  if (wake_fd >= 0)
    (void) eventfd_write (wake_fd, 1);
}

void
domain_watch_stop (void)
{
  if (!started)
    return;
  pthread_mutex_lock (&lock);
  stopping = true;
  pthread_mutex_unlock (&lock);
  domain_watch_look ();
  pthread_join (thread, NULL);
  started = false;
}
