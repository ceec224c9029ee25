/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A plugin of the build tree, and one with a sanitizer, come by the environment:
 * nobody else sets these variables. */
#include <config.h>

#include <errno.h>
#include <netdb.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "process-listen.h"
#include "process-nbd.h"

static const char *
plugin_path (void)
{
  const char *path = g_getenv ("PULLBACK_PLUGIN");

  return path != NULL ? path : NBDKIT_PLUGINDIR "/nbdkit-pullback-plugin.so";
}

GPtrArray *
process_nbd_nbdkit (const char *role, unsigned threads)
{
  GPtrArray *a = g_ptr_array_new_with_free_func (g_free);

  g_ptr_array_add (a, g_strdup (NBDKIT_PROGRAM));
  g_ptr_array_add (a, g_strdup ("--foreground"));
  g_ptr_array_add (a, g_strdup_printf ("--threads=%u", threads));
  g_ptr_array_add (a, g_strdup (plugin_path ()));
  g_ptr_array_add (a, g_strdup_printf ("role=%s", role));
  return a;
}

/* A plugin built with a sanitizer needs its run time before nbdkit's. */
char **
process_nbd_variables (void)
{
  const char *preload = g_getenv ("PULLBACK_PLUGIN_PRELOAD");
  char **variables;

  if (preload == NULL)
    return NULL;
  variables = g_new0 (char *, 2);
  variables[0] = g_strdup_printf ("LD_PRELOAD=%s", preload);
  return variables;
}

static int
note_tcp_address (struct process_nbd_front *front, int fd,
                  struct failure *why)
{
  struct sockaddr_storage address;
  struct sockaddr *of_any_family = (struct sockaddr *) &address;
  socklen_t length = sizeof address;
  char host[NI_MAXHOST], port[NI_MAXSERV];

  if (getsockname (fd, of_any_family, &length) < 0 ||
      getnameinfo (of_any_family, length, host, sizeof host, port, sizeof port,
                   NI_NUMERICHOST | NI_NUMERICSERV) != 0)
    return failure_set (why, FAILURE_GENERIC, errno, "the TCP socket has no "
                        "address: %s", g_strerror (errno));
  front->host = g_strdup (host);
  front->port = g_strdup (port);
  return 0;
}

int
process_nbd_listen (struct process_nbd_front *front, const char *tcp, int *fd,
                    struct failure *why)
{
  int r;

  if (tcp == NULL)
    return process_listen_unix (front->socket, geteuid (), getegid (), fd,
                                why);
  r = process_listen_tcp (tcp, fd, why);
  return r < 0 ? r : note_tcp_address (front, *fd, why);
}

char *
process_nbd_tcp (const struct process_nbd_front *front)
{
  return front->host == NULL ? NULL
         : g_strdup_printf ("[%s]:%s", front->host, front->port);
}

char *
process_nbd_uri (const struct process_nbd_front *front,
                 const char *export_name)
{
  g_autofree char *export = g_uri_escape_string (export_name, "@:+", FALSE);
  g_autofree char *socket = NULL;

  if (front->host != NULL)
    return g_strdup_printf (strchr (front->host, ':') != NULL
                            ? "nbd://[%s]:%s/%s" : "nbd://%s:%s/%s",
                            front->host, front->port, export);
  socket = g_uri_escape_string (front->socket, "/", FALSE);
  return g_strdup_printf ("nbd+unix:///%s?socket=%s", export, socket);
}
