/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What comes from outside is parsed by libmicrohttpd, in one thread that nobody
 * waits for, with few connections of little memory each.  There is nothing to ask
 * for but one page, and nothing that can be changed. */
#include <config.h>

#include <errno.h>

#include "metrics-http.h"

#ifndef HAVE_MICROHTTPD

int
metrics_http_open (const char *where, struct failure *why)
{
  return failure_set (why, FAILURE_GENERIC, ENOSYS,
                      "this pullback-backupd was built without libmicrohttpd "
                      "and has no --metrics-listen; use --metrics-file");
}

int
metrics_http_start (struct domain_registry *registry, struct failure *why)
{
  return 0;
}

void
metrics_http_stop (void)
{
}

#else

#include <netdb.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <glib.h>
#include <microhttpd.h>

#include "log.h"
#include "metrics-text.h"
#include "metrics.h"
#include "socket.h"

#define CONNECTIONS_MOST 32
/* Without a word from the client. */
#define IDLE_S 5
#define CONNECTION_BYTES 16384

static struct MHD_Daemon *server;
static int listen_fd = -1;      /* until the server has it */
static char *socket_path;       /* NULL: TCP */

/* --- answers --------------------------------------------------------- */

static enum MHD_Result
reply (struct MHD_Connection *connection, unsigned status, const char *type,
       const char *text)
{
  struct MHD_Response *response = MHD_create_response_from_buffer (
    strlen (text), (void *) text, MHD_RESPMEM_MUST_COPY);
  enum MHD_Result result;

  if (response == NULL)
    return MHD_NO;
  MHD_add_response_header (response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
  if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
    MHD_add_response_header (response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
  result = MHD_queue_response (connection, status, response);
  MHD_destroy_response (response);
  return result;
}

static enum MHD_Result
answer (void *opaque, struct MHD_Connection *connection, const char *url,
        const char *method, const char *version, const char *upload,
        size_t *upload_size, void **state)
{
  g_autofree char *text = NULL;

  if (strcmp (method, MHD_HTTP_METHOD_GET) != 0 &&
      strcmp (method, MHD_HTTP_METHOD_HEAD) != 0)
    return reply (connection, MHD_HTTP_METHOD_NOT_ALLOWED, "text/plain",
                  "only GET\n");
  if (strcmp (url, "/metrics") != 0)
    return reply (connection, MHD_HTTP_NOT_FOUND, "text/plain",
                  "pullback has /metrics\n");
  text = metrics_format (opaque);
  return reply (connection, MHD_HTTP_OK, METRICS_CONTENT_TYPE, text);
}

static G_GNUC_PRINTF (2, 0) void
say (void *opaque, const char *format, va_list arguments)
{
  g_autofree char *text = g_strdup_vprintf (format, arguments);

  g_strchomp (text);
  log_debug ("metrics: %s", text);
}

/* --- the socket ------------------------------------------------------ */

static int
listen_unix (const char *path, int *fd, struct failure *why)
{
  int r = socket_listen_unix (path, fd);

  if (r == -ENAMETOOLONG)
    return socket_path_failure ("the metrics socket", path, why);
  if (r < 0)
    return failure_set (why, FAILURE_STORAGE, -r,
                        "cannot listen for metrics at %s: %s", path,
                        g_strerror (-r));
  /* Nothing in them is more secret than the file of mode 0644. */
  if (chmod (path, 0666) < 0)
    log_warning ("cannot open %s to others: %s", path, g_strerror (errno));
  socket_path = g_strdup (path);
  return 0;
}

static int
listen_tcp (const char *where, int *fd, struct failure *why)
{
  const struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
                                  .ai_flags = AI_PASSIVE | AI_NUMERICSERV };
  struct addrinfo *info = NULL;
  struct socket_place place;
  int r = socket_parse_place (where, &place);

  if (r < 0)
    return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL,
                        "--metrics-listen: '%s' is neither [ADDRESS:]PORT nor "
                        "an absolute path", where);
  r = getaddrinfo (place.address[0] == '\0' ? "127.0.0.1" : place.address,
                   place.port, &hints, &info);
  if (r != 0)
    return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL, "cannot listen for "
                        "metrics on %s: %s", where, gai_strerror (r));
  r = socket_listen_tcp (info, false, fd);
  if (r == 0 && !socket_is_loopback (info->ai_addr))
    log_warning ("metrics on %s are for anybody who can reach it", where);
  freeaddrinfo (info);
  return r == 0 ? 0 : failure_set (why, FAILURE_BUSY, -r, "cannot listen for "
                                   "metrics on %s: %s", where,
                                   g_strerror (-r));
}

int
metrics_http_open (const char *where, struct failure *why)
{
  return where[0] == '/' ? listen_unix (where, &listen_fd, why)
         : listen_tcp (where, &listen_fd, why);
}

int
metrics_http_start (struct domain_registry *registry, struct failure *why)
{
  if (listen_fd < 0)
    return 0;
  server = MHD_start_daemon (
    MHD_USE_POLL_INTERNAL_THREAD | MHD_USE_ERROR_LOG, 0, NULL, NULL, answer,
    registry, MHD_OPTION_EXTERNAL_LOGGER, say, NULL,
    MHD_OPTION_LISTEN_SOCKET, listen_fd,
    MHD_OPTION_CONNECTION_LIMIT, (unsigned) CONNECTIONS_MOST,
    MHD_OPTION_CONNECTION_TIMEOUT, (unsigned) IDLE_S,
    MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t) CONNECTION_BYTES,
    MHD_OPTION_END);
  if (server != NULL) {
    listen_fd = -1;
    return 0;
  }
  return failure_set (why, FAILURE_GENERIC, ENOMEM,
                      "cannot start the HTTP server for metrics");
}

void
metrics_http_stop (void)
{
  if (server != NULL)
    MHD_stop_daemon (server);
  server = NULL;
  if (listen_fd >= 0)
    close (listen_fd);
  listen_fd = -1;
  if (socket_path != NULL)
    (void) unlink (socket_path);
  g_clear_pointer (&socket_path, g_free);
}

#endif
