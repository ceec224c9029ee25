/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An option is read whole before anything is replied, and all replies to it
 * leave in one piece: a client may send while we do, and neither side may end
 * up waiting for the other to read.  What a client can cost here is bounded in
 * bytes per option, in options and in time. */
#include <config.h>

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "checked-math.h"
#include "deadline.h"
#include "gateway-handshake.h"
#include "gateway-open.h"

#define OPTIONS_MAX 4096
#define OPTION_DATA_MAX (64 << 10)      /* more is refused */
#define OPTION_DRAIN_MAX (1 << 20)      /* more is cut off */
#define GONE_MS 60000           /* for what clients asked for that are gone */

const struct handshake_limits gateway_handshake_limits = {
  .option_ms = 30000, .pause_ms = 600000, .total_ms = 3600000
};

struct handshake {
  int fd;
  const struct routes *routes;
  const struct handshake_limits *limits;
  struct pulse *pulse;
  int64_t end_ms;               /* of the handshake */
  int64_t option_end_ms;        /* of what is being waited for */
  bool proven;                  /* an option has come: not just a port scan */
  bool fixed, no_zeroes, structured;
  const struct route *contexts_of;      /* last SET_META_CONTEXT's export */
  struct context_set contexts;
  struct nbd_buffer out;       /* replies to the current option */
  struct session *session;      /* filled when an option ends the handshake */
};

/* What comes next. */
enum { STEP_NEXT_OPTION, STEP_TRANSMISSION };

/* Returns a STEP_ or -errno. */
typedef int option_function (struct handshake *h, uint32_t option,
                             const uint8_t *data, size_t length);

static int
receive (struct handshake *h, void *buffer, size_t length)
{
  uint8_t *p = buffer;

  while (length > 0) {
    struct pollfd pfd = { .fd = h->fd, .events = POLLIN };
    int64_t end = h->option_end_ms < h->end_ms ? h->option_end_ms : h->end_ms;
    ssize_t n = recv (h->fd, p, length, MSG_DONTWAIT);

    if (n == 0)
      return -ECONNRESET;
    if (n < 0 && errno != EAGAIN && errno != EINTR)
      return -errno;
    if (n > 0) {
      p += n;
      length -= (size_t) n;
    } else if (poll (&pfd, 1, ms_left (end)) == 0)
      return -ETIMEDOUT;
  }
  return 0;
}

static int
drain (struct handshake *h, uint32_t length)
{
  uint8_t scrap[1024];
  int r = 0;

  while (length > 0 && r == 0) {
    uint32_t n = (uint32_t) min_u64 (length, sizeof scrap);
    r = receive (h, scrap, n);
    length -= n;
  }
  return r;
}

static int
send_out (struct handshake *h)
{
  int r = nbd_buffer_send (&h->out, h->fd);

  return r == -EAGAIN ? -ETIMEDOUT : r;
}

static int
put_ack (struct handshake *h, uint32_t option)
{
  nbd_option_reply_put (&h->out, option, NBD_REP_ACK, 0);
  return STEP_NEXT_OPTION;
}

static int
put_error (struct handshake *h, uint32_t option, uint32_t error,
           const char *message)
{
  uint32_t length = (uint32_t) strlen (message);

  nbd_option_reply_put (&h->out, option, error, length);
  nbd_put_bytes (&h->out, message, length);
  return STEP_NEXT_OPTION;
}

static int
put_malformed (struct handshake *h, uint32_t option)
{
  return put_error (h, option, NBD_REP_ERR_INVALID,
                    "the data of the option is malformed");
}

static int
put_no_export (struct handshake *h, uint32_t option, struct nbd_text name)
{
  return put_error (h, option, NBD_REP_ERR_UNKNOWN,
                    name.length == 0 ?
                    "there is no default export, name one" :
                    "there is no export with this name");
}

/* Opens the upstream export and fills the session with what is agreed so
 * far. */
static int
open_session (struct handshake *h, const struct route *route,
              struct session *session, struct failure *why)
{
  struct session out = { .route = route, .structured = h->structured,
                         .writable = route->writable };
  int r;

  r = gateway_open_route (h->routes, route, &out.data, why);
  if (r < 0)
    return r;
  if (h->structured && h->contexts_of == route)
    out.contexts = h->contexts;
  out.consume = h->routes->consume && !out.writable &&
                out.data.flags & NBD_FLAG_SEND_TRIM;
  *session = out;
  return 0;
}

/* The same, and no more is between the client and its requests. */
static int
begin_session (struct handshake *h, const struct route *route,
               struct session *session, struct failure *why)
{
  int64_t deadline = now_ms () + GONE_MS;
  int r = open_session (h, route, session, why);

  if (r < 0)
    return r;
  r = gateway_ended_wait (route->ended, deadline, why);
  if (r == 0)
    r = gateway_writers_join (route->writers, h->fd, deadline, why);
  if (r < 0) {
    gateway_upstream_say_goodbye (&session->data);
    gateway_upstream_close (&session->data);
  }
  return r;
}

void
gateway_handshake_end_session (int fd, struct session *session)
{
  gateway_writers_leave (session->route->writers, fd);
  gateway_upstream_close (&session->data);
}

static uint16_t
export_flags (const struct session *session)
{
  const unsigned of_writable =
    NBD_FLAG_SEND_FLUSH | NBD_FLAG_SEND_FUA | NBD_FLAG_SEND_TRIM |
    NBD_FLAG_SEND_WRITE_ZEROES | NBD_FLAG_SEND_FAST_ZERO;
  unsigned flags = NBD_FLAG_HAS_FLAGS;

  if (session->writable)
    flags |= session->data.flags & of_writable;
  else
    /* Clients do not trim what is read-only. */
    flags |= NBD_FLAG_SEND_FLUSH |
             (session->consume ? NBD_FLAG_SEND_TRIM : NBD_FLAG_READ_ONLY);
  if (session->structured)
    flags |= NBD_FLAG_SEND_DF;
  flags |= session->data.flags & NBD_FLAG_CAN_MULTI_CONN;
  return (uint16_t) flags;
}

static int
option_export_name (struct handshake *h, uint32_t option, const uint8_t *data,
                    size_t length)
{
  struct nbd_text name = { (const char *) data, length };
  const struct route *route = gateway_routes_find (h->routes, name);
  struct failure why = { .error = 0 };
  struct session session;
  int r;

  /* This old option has no way to say no. */
  if (route == NULL)
    return -ENOENT;
  r = begin_session (h, route, &session, &why);
  if (r < 0)
    return r;
  nbd_put64 (&h->out, session.data.size);
  nbd_put16 (&h->out, export_flags (&session));
  if (!h->no_zeroes)
    nbd_put_zeroes (&h->out, NBD_EXPORT_NAME_ZEROES);
  *h->session = session;
  return STEP_TRANSMISSION;
}

static int
option_abort (struct handshake *h, uint32_t option, const uint8_t *data,
              size_t length)
{
  put_ack (h, option);
  if (send_out (h) < 0)
    return -ECONNRESET;
  return -ECONNABORTED;
}

static int
option_list (struct handshake *h, uint32_t option, const uint8_t *data,
             size_t length)
{
  size_t i;

  if (length != 0)
    return put_malformed (h, option);
  for (i = 0; i < h->routes->count; i++) {
    const struct route *route = &h->routes->items[i];
    uint32_t n = (uint32_t) strlen (route->name);
    uint32_t rest = (uint32_t) strlen (route->description);

    nbd_option_reply_put (&h->out, option, NBD_REP_SERVER, 4 + n + rest);
    nbd_put32 (&h->out, n);
    nbd_put_bytes (&h->out, route->name, n);
    nbd_put_bytes (&h->out, route->description, rest);
  }
  return put_ack (h, option);
}

static int
option_starttls (struct handshake *h, uint32_t option, const uint8_t *data,
                 size_t length)
{
  if (length != 0)
    return put_malformed (h, option);
  return put_error (h, option, NBD_REP_ERR_POLICY,
                    "this server does not encrypt");
}

static int
option_structured_reply (struct handshake *h, uint32_t option,
                         const uint8_t *data, size_t length)
{
  if (length != 0)
    return put_malformed (h, option);
  h->structured = true;
  return put_ack (h, option);
}

static void
put_info_text (struct handshake *h, uint32_t option, uint16_t info,
               const char *text)
{
  uint32_t length = (uint32_t) strlen (text);

  nbd_option_reply_put (&h->out, option, NBD_REP_INFO, 2 + length);
  nbd_put16 (&h->out, info);
  nbd_put_bytes (&h->out, text, length);
}

static void
put_infos (struct handshake *h, uint32_t option, unsigned infos,
           const struct session *session)
{
  const struct upstream *data = &session->data;

  nbd_option_reply_put (&h->out, option, NBD_REP_INFO, 12);
  nbd_put16 (&h->out, NBD_INFO_EXPORT);
  nbd_put64 (&h->out, data->size);
  nbd_put16 (&h->out, export_flags (session));
  if (infos & (1U << NBD_INFO_NAME))
    put_info_text (h, option, NBD_INFO_NAME, session->route->name);
  if ((infos & (1U << NBD_INFO_DESCRIPTION)) &&
      session->route->description[0] != '\0')
    put_info_text (h, option, NBD_INFO_DESCRIPTION,
                   session->route->description);
  /* Always: a client that did not ask ignores it. */
  nbd_option_reply_put (&h->out, option, NBD_REP_INFO, 14);
  nbd_put16 (&h->out, NBD_INFO_BLOCK_SIZE);
  nbd_put32 (&h->out, data->min_block);
  nbd_put32 (&h->out, (uint32_t) min_u64 (data->preferred_block,
                                          GATEWAY_READ_MAX));
  nbd_put32 (&h->out, GATEWAY_READ_MAX);
  put_ack (h, option);
}

static int
option_info_or_go (struct handshake *h, uint32_t option, const uint8_t *data,
                   size_t length)
{
  struct nbd_info_request request;
  struct failure why = { .error = 0 };
  const struct route *route;
  struct session session;
  int r;

  if (nbd_info_request_decode (data, length, &request) < 0)
    return put_malformed (h, option);
  route = gateway_routes_find (h->routes, request.export);
  if (route == NULL)
    return put_no_export (h, option, request.export);
  r = option == NBD_OPT_GO ? begin_session (h, route, &session, &why)
                           : open_session (h, route, &session, &why);
  if (r < 0)
    return put_error (h, option, r == -ENOENT ? NBD_REP_ERR_UNKNOWN :
                                                NBD_REP_ERR_SHUTDOWN,
                      why.text);
  put_infos (h, option, request.infos, &session);
  if (option == NBD_OPT_INFO) {
    gateway_upstream_say_goodbye (&session.data);
    gateway_upstream_close (&session.data);
    return STEP_NEXT_OPTION;
  }
  *h->session = session;
  return STEP_TRANSMISSION;
}

static int
option_meta_context (struct handshake *h, uint32_t option, const uint8_t *data,
                     size_t length)
{
  bool listing = option == NBD_OPT_LIST_META_CONTEXT;
  struct nbd_meta_request request;
  const struct route *route;
  struct context_set set;

  if (!listing)
    h->contexts_of = NULL;      /* even a failing one ends the old choice */
  if (!listing && !h->structured)
    return put_error (h, option, NBD_REP_ERR_INVALID,
                      "structured replies must be negotiated first");
  if (nbd_meta_request_decode (data, length, &request) < 0)
    return put_malformed (h, option);
  route = gateway_routes_find (h->routes, request.export);
  if (route == NULL)
    return put_no_export (h, option, request.export);
  set = gateway_meta_context_match (route, &request, listing);
  if (!listing) {
    h->contexts_of = route;
    h->contexts = set;
  }
  gateway_meta_context_put (route, &set, option, &h->out);
  return put_ack (h, option);
}

static option_function *const option_functions[] = {
  [NBD_OPT_EXPORT_NAME] = option_export_name,
  [NBD_OPT_ABORT] = option_abort,
  [NBD_OPT_LIST] = option_list,
  [NBD_OPT_STARTTLS] = option_starttls,
  [NBD_OPT_INFO] = option_info_or_go,
  [NBD_OPT_GO] = option_info_or_go,
  [NBD_OPT_STRUCTURED_REPLY] = option_structured_reply,
  [NBD_OPT_LIST_META_CONTEXT] = option_meta_context,
  [NBD_OPT_SET_META_CONTEXT] = option_meta_context,
};

static int
greet (struct handshake *h)
{
  uint8_t answer[4];
  uint32_t flags;
  int r;

  nbd_put64 (&h->out, NBD_INIT_MAGIC);
  nbd_put64 (&h->out, NBD_OPTION_MAGIC);
  nbd_put16 (&h->out, NBD_FLAG_FIXED_NEWSTYLE | NBD_FLAG_NO_ZEROES);
  h->option_end_ms = now_ms () + h->limits->option_ms;
  r = send_out (h);
  if (r == 0)
    r = receive (h, answer, sizeof answer);
  if (r < 0)
    return r;
  flags = nbd_load32 (answer);
  if (flags & ~(uint32_t) (NBD_FLAG_FIXED_NEWSTYLE | NBD_FLAG_NO_ZEROES))
    return -EPROTO;
  h->fixed = flags & NBD_FLAG_FIXED_NEWSTYLE;
  h->no_zeroes = flags & NBD_FLAG_NO_ZEROES;
  return 0;
}

static int
dispatch (struct handshake *h, const struct nbd_option_header *header)
{
  CLEANUP_FREE uint8_t *data = malloc (header->length + 1);
  option_function *function = NULL;
  int r;

  if (data == NULL)
    return -ENOMEM;
  r = receive (h, data, header->length);
  if (r < 0)
    return r;
  if (header->option < sizeof option_functions / sizeof option_functions[0])
    function = option_functions[header->option];
  if (function == NULL)
    return put_error (h, header->option, NBD_REP_ERR_UNSUP,
                      "this server does not know the option");
  gateway_pulse_owe (h->pulse);
  r = function (h, header->option, data, header->length);
  gateway_pulse_pay (h->pulse);
  return r;
}

/* A person may be at work at the other end, so that the next option may be
 * long in coming, once there was one; but not what remains of it. */
static int
receive_option (struct handshake *h, struct nbd_option_header *header)
{
  uint8_t head[NBD_OPTION_SIZE];
  int r;

  h->option_end_ms = now_ms () + (h->proven ? h->limits->pause_ms :
                                              h->limits->option_ms);
  r = receive (h, head, 1);
  h->option_end_ms = now_ms () + h->limits->option_ms;
  if (r == 0)
    r = receive (h, head + 1, sizeof head - 1);
  if (r < 0)
    return r;
  h->proven = true;
  return nbd_option_decode (head, header) < 0 ? -EPROTO : 0;
}

/* Reads one option and replies to it. */
static int
handle_option (struct handshake *h)
{
  struct nbd_option_header header;
  int step, r = receive_option (h, &header);

  if (r < 0)
    return r;
  if (header.length > OPTION_DRAIN_MAX ||
      (!h->fixed && header.option != NBD_OPT_EXPORT_NAME))
    return -EPROTO;
  if (header.length > OPTION_DATA_MAX) {
    step = drain (h, header.length);
    if (step == 0)
      step = put_error (h, header.option, NBD_REP_ERR_TOO_BIG,
                        "the option has too much data");
  } else
    step = dispatch (h, &header);
  if (step < 0)
    return step;
  r = send_out (h);
  if (r < 0 && step == STEP_TRANSMISSION)
    gateway_handshake_end_session (h->fd, h->session);
  return r < 0 ? r : step;
}

int
gateway_handshake (int fd, const struct routes *routes,
                   const struct handshake_limits *limits, struct pulse *pulse,
                   struct session *session)
{
  struct handshake h = { .fd = fd, .routes = routes, .limits = limits,
                         .pulse = pulse, .session = session,
                         .end_ms = now_ms () + limits->total_ms };
  struct timeval patience = { .tv_sec = limits->option_ms / 1000 + 1 };
  unsigned i;
  int r;

  setsockopt (fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  r = greet (&h);
  for (i = 0; i < OPTIONS_MAX && r == STEP_NEXT_OPTION; i++)
    r = handle_option (&h);
  nbd_buffer_free (&h.out);
  if (r < 0)
    return r;
  if (r != STEP_TRANSMISSION)
    return -E2BIG;
  return 0;
}
