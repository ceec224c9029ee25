/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* systemd ends what is in a unit's control group, whatever KillMode says: by
 * "systemctl kill", when memory is short, before the unit's next start.  The
 * children that guests and clients need have scopes instead.  When the host shuts
 * down these end after our unit has: a guest that still runs may wait for its
 * sink, which the daemon ends when QEMU has let go of it. */
#include <config.h>

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <glib.h>

#ifdef HAVE_LIBSYSTEMD
# include <systemd/sd-bus.h>
# include <systemd/sd-daemon.h>
# include <systemd/sd-login.h>
#endif

#include "log.h"
#include "systemd.h"

#ifdef HAVE_LIBSYSTEMD

#define BUS_TIMEOUT_US 10000000

struct scope {
  pid_t pid;                    /* 0: the thread is to end */
  char *role;
};

static GAsyncQueue *scopes;     /* of struct scope; NULL: none are made */
static GThread *scopes_thread;
static char *our_unit;          /* ends before the scopes do */

void
systemd_ready (void)
{
  sd_notify (0, "READY=1");
}

void
systemd_stopping (void)
{
  sd_notify (0, "STOPPING=1");
}

int
systemd_alive_ms (void)
{
  uint64_t us;

  return sd_watchdog_enabled (0, &us) > 0 ? (int) (us / 2000) : -1;
}

void
systemd_alive (void)
{
  sd_notify (0, "WATCHDOG=1");
}

static int
fill_request (sd_bus_message *request, const struct scope *scope)
{
  g_autofree char *name = g_strdup_printf ("pullback-%s-%d.scope", scope->role,
                                           (int) scope->pid);
  g_autofree char *what = g_strdup_printf ("pullback's %s %d", scope->role,
                                           (int) scope->pid);
  int r = sd_bus_message_append (request, "ss", name, "fail");

  if (r >= 0)
    r = sd_bus_message_open_container (request, 'a', "(sv)");
  if (r >= 0)
    r = sd_bus_message_append (request, "(sv)(sv)(sv)(sv)(sv)(sv)",
                               "Description", "s", what,
                               "Slice", "s", "pullback.slice",
                               "DefaultDependencies", "b", 0,
                               "Before", "as", 1, our_unit,
                               "CollectMode", "s", "inactive-or-failed",
                               "PIDs", "au", 1, (uint32_t) scope->pid);
  if (r >= 0)
    r = sd_bus_message_close_container (request);
  return r < 0 ? r : sd_bus_message_append (request, "a(sa(sv))", 0);
}

static int
make_scope (sd_bus *bus, const struct scope *scope, sd_bus_error *error)
{
  sd_bus_message *request = NULL;
  int r = sd_bus_message_new_method_call (bus, &request,
                                          "org.freedesktop.systemd1",
                                          "/org/freedesktop/systemd1",
                                          "org.freedesktop.systemd1.Manager",
                                          "StartTransientUnit");

  if (r >= 0)
    r = fill_request (request, scope);
  if (r >= 0)
    r = sd_bus_call (bus, request, BUS_TIMEOUT_US, error, NULL);
  sd_bus_message_unref (request);
  return r;
}

/* A connection each: one that is kept would have to be served. */
static void
move (const struct scope *scope)
{
  sd_bus_error error = SD_BUS_ERROR_NULL;
  sd_bus *bus = NULL;
  int r = sd_bus_open_system (&bus);

  if (r >= 0)
    r = make_scope (bus, scope, &error);
  if (r < 0)
    log_warning ("systemd gives %s (pid %d) no scope, and may end it with the "
                 "daemon: %s", scope->role, (int) scope->pid,
                 error.message != NULL ? error.message : g_strerror (-r));
  sd_bus_error_free (&error);
  sd_bus_flush_close_unref (bus);
}

static void *
scopes_run (void *unused)
{
  bool ends = false;

  while (!ends) {
    struct scope *scope = g_async_queue_pop (scopes);

    ends = scope->pid == 0;
    if (!ends)
      move (scope);
    g_free (scope->role);
    g_free (scope);
  }
  return NULL;
}

static void
scopes_push (pid_t pid, const char *role)
{
  struct scope *scope = g_new (struct scope, 1);

  *scope = (struct scope) { pid, g_strdup (role) };
  g_async_queue_push (scopes, scope);
}

void
systemd_scopes_start (void)
{
  if (sd_pid_get_unit (0, &our_unit) < 0) {
    log_warning ("systemd does not run this: --systemd-scopes does nothing");
    return;
  }
  scopes = g_async_queue_new ();
  scopes_thread = g_thread_new ("scopes", scopes_run, NULL);
}

void
systemd_scopes_stop (void)
{
  if (scopes == NULL)
    return;
  scopes_push (0, NULL);
  g_thread_join (scopes_thread);
  g_async_queue_unref (scopes);
  scopes = NULL;
  free (our_unit);
}

void
systemd_scope (pid_t pid, const char *role)
{
  if (scopes != NULL)
    scopes_push (pid, role);
}

#else

void
systemd_ready (void)
{
}

void
systemd_stopping (void)
{
}

int
systemd_alive_ms (void)
{
  return -1;
}

void
systemd_alive (void)
{
}

void
systemd_scopes_start (void)
{
  log_warning ("built without libsystemd: --systemd-scopes does nothing");
}

void
systemd_scopes_stop (void)
{
}

void
systemd_scope (pid_t pid, const char *role)
{
}

#endif
