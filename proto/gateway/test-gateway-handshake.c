/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The handshake against a client that this test plays over a socketpair: a
 * valid stream of options, every truncation of it, and random mutations.  The
 * routes point to no upstream server, so GO is always refused politely. */
#include <config.h>

#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "full-io.h"
#include "gateway-handshake.h"

static struct route_context contexts[] = {
  { .name = (char *) "qemu:dirty-bitmap:backup-vda",
    .upstream = (char *) "vda@dirty" },
  { .name = (char *) "qemu:dirty-bitmap:mon", .upstream = (char *) "vda@mon" }
};
static struct route route_items[] = {
  { .name = (char *) "vda", .upstream = (char *) "vda",
    .description = (char *) "disk", .contexts = contexts, .n_contexts = 2 },
  { .name = (char *) "vda@dirty", .upstream = (char *) "vda@dirty",
    .description = (char *) "" }
};
static const struct routes routes = {
  .upstream = (char *) "/nonexistent/view.sock", .items = route_items, .count = 2
};

struct server {
  int fd, result;
  const struct handshake_limits *limits;
};

static void *
serve (void *opaque)
{
  struct server *server = opaque;
  struct session session;
  struct pulse pulse;

  gateway_pulse_create (&pulse);
  server->result = gateway_handshake (server->fd, &routes, server->limits,
                                      &pulse, &session);
  gateway_pulse_destroy (&pulse);
  close (server->fd);
  return NULL;
}

struct sender {
  int fd;
  const uint8_t *data;
  size_t length;
};

/* The gateway may cut the connection in the middle; that is no failure. */
static void *
send_all (void *opaque)
{
  struct sender *sender = opaque;

  if (full_send (sender->fd, sender->data, sender->length) == 0)
    shutdown (sender->fd, SHUT_WR);
  return NULL;
}

/* Plays the client that sends IN; what it got is appended to OUT.  Returns
 * what the handshake returned. */
static int
converse (const uint8_t *in, size_t length, struct nbd_buffer *out)
{
  int pair[2];
  pthread_t server_thread, sender_thread;
  struct server server;
  struct sender sender;
  uint8_t data[4096];
  ssize_t n;

  assert (socketpair (AF_UNIX, SOCK_STREAM, 0, pair) == 0);
  server = (struct server) { pair[0], 0, &gateway_handshake_limits };
  sender = (struct sender) { pair[1], in, length };
  assert (pthread_create (&server_thread, NULL, serve, &server) == 0);
  assert (pthread_create (&sender_thread, NULL, send_all, &sender) == 0);
  while ((n = read (pair[1], data, sizeof data)) > 0)
    nbd_put_bytes (out, data, (size_t) n);
  pthread_join (sender_thread, NULL);
  pthread_join (server_thread, NULL);
  close (pair[1]);
  return server.result;
}

static void
put_text (struct nbd_buffer *in, const char *text)
{
  nbd_put32 (in, (uint32_t) strlen (text));
  nbd_put_bytes (in, text, strlen (text));
}

static void
put_meta (struct nbd_buffer *in, uint32_t option, const char *export,
          const char *query)
{
  nbd_option_put (in, option, (uint32_t) (4 + strlen (export) + 4 +
                                          (query ? 4 + strlen (query) : 0)));
  put_text (in, export);
  nbd_put32 (in, query != NULL);
  if (query != NULL)
    put_text (in, query);
}

static void
put_info (struct nbd_buffer *in, uint32_t option, const char *export)
{
  nbd_option_put (in, option, (uint32_t) (4 + strlen (export) + 2 + 2));
  put_text (in, export);
  nbd_put16 (in, 1);
  nbd_put16 (in, NBD_INFO_NAME);
}

static void
put_valid_stream (struct nbd_buffer *in)
{
  nbd_put32 (in, NBD_FLAG_FIXED_NEWSTYLE | NBD_FLAG_NO_ZEROES);
  nbd_option_put (in, NBD_OPT_STARTTLS, 0);
  put_meta (in, NBD_OPT_SET_META_CONTEXT, "vda", "base:allocation");
  nbd_option_put (in, NBD_OPT_STRUCTURED_REPLY, 0);
  nbd_option_put (in, NBD_OPT_LIST, 0);
  put_meta (in, NBD_OPT_LIST_META_CONTEXT, "vda", NULL);
  put_meta (in, NBD_OPT_LIST_META_CONTEXT, "", "qemu:");
  put_meta (in, NBD_OPT_LIST_META_CONTEXT, "vda", "qemu:dirty-bitmap:");
  put_meta (in, NBD_OPT_LIST_META_CONTEXT, "vda", "other:");
  put_meta (in, NBD_OPT_SET_META_CONTEXT, "vda", "qemu:");
  put_meta (in, NBD_OPT_SET_META_CONTEXT, "vda", "qemu:dirty-bitmap:mon");
  put_meta (in, NBD_OPT_SET_META_CONTEXT, "none", "base:allocation");
  put_info (in, NBD_OPT_INFO, "none");
  put_info (in, NBD_OPT_GO, "vda");
  nbd_option_put (in, 4711, 3);
  nbd_put_bytes (in, "abc", 3);
  nbd_option_put (in, NBD_OPT_ABORT, 0);
}

/* The types of all replies, as the protocol wants them for that stream. */
static const uint32_t expected[] = {
  NBD_REP_ERR_POLICY,           /* STARTTLS */
  NBD_REP_ERR_INVALID,          /* SET without structured replies */
  NBD_REP_ACK,                  /* STRUCTURED_REPLY */
  NBD_REP_SERVER, NBD_REP_SERVER, NBD_REP_ACK,
  NBD_REP_META_CONTEXT, NBD_REP_META_CONTEXT, NBD_REP_META_CONTEXT,
  NBD_REP_ACK,                  /* all */
  NBD_REP_META_CONTEXT, NBD_REP_META_CONTEXT, NBD_REP_ACK,      /* qemu: */
  NBD_REP_META_CONTEXT, NBD_REP_META_CONTEXT, NBD_REP_ACK,
  NBD_REP_ACK,                  /* other: */
  NBD_REP_ACK,                  /* SET takes whole names only */
  NBD_REP_META_CONTEXT, NBD_REP_ACK,
  NBD_REP_ERR_UNKNOWN,          /* SET for no export */
  NBD_REP_ERR_UNKNOWN,          /* INFO for no export */
  NBD_REP_ERR_SHUTDOWN,         /* GO without upstream server */
  NBD_REP_ERR_UNSUP,            /* 4711 */
  NBD_REP_ACK                   /* ABORT */
};

static void
test_valid_stream (const struct nbd_buffer *in)
{
  struct nbd_buffer out = { 0 };
  size_t at = NBD_GREETING_SIZE, i;

  assert (converse (in->data, in->length, &out) == -ECONNABORTED);
  assert (nbd_load64 (out.data) == NBD_INIT_MAGIC);
  for (i = 0; i < sizeof expected / sizeof expected[0]; i++) {
    struct nbd_option_reply reply;

    assert (out.length - at >= NBD_OPTION_REPLY_SIZE);
    assert (nbd_option_reply_decode (out.data + at, &reply) == 0);
    if (reply.type != expected[i])
      fprintf (stderr, "reply %zu is %#x, expected %#x\n", i, reply.type,
               expected[i]);
    assert (reply.type == expected[i]);
    at += NBD_OPTION_REPLY_SIZE + reply.length;
  }
  assert (at == out.length);
  nbd_buffer_free (&out);
}

static void
test_truncations (const struct nbd_buffer *in)
{
  size_t i;

  for (i = 0; i < in->length; i++) {
    struct nbd_buffer out = { 0 };

    assert (converse (in->data, i, &out) < 0);
    assert (out.length >= NBD_GREETING_SIZE);
    nbd_buffer_free (&out);
  }
}

static void
test_mutations (const struct nbd_buffer *in, unsigned seed, unsigned rounds)
{
  uint8_t *copy = malloc (in->length);

  assert (copy != NULL);
  while (rounds-- > 0) {
    struct nbd_buffer out = { 0 };
    int flips = rand_r (&seed) % 6 + 1;

    memcpy (copy, in->data, in->length);
    while (flips-- > 0)
      copy[(size_t) rand_r (&seed) % in->length] = (uint8_t) rand_r (&seed);
    assert (converse (copy, in->length, &out) < 0);
    nbd_buffer_free (&out);
  }
  free (copy);
}

/* One option of LENGTH bytes, then ABORT. */
static uint32_t
reply_to_length (uint32_t length)
{
  struct nbd_buffer in = { 0 }, out = { 0 };
  struct nbd_option_reply reply = { 0 };

  nbd_put32 (&in, NBD_FLAG_FIXED_NEWSTYLE);
  nbd_option_put (&in, NBD_OPT_LIST, length);
  nbd_put_zeroes (&in, length);
  nbd_option_put (&in, NBD_OPT_ABORT, 0);
  converse (in.data, in.length, &out);
  if (out.length >= NBD_GREETING_SIZE + NBD_OPTION_REPLY_SIZE)
    assert (nbd_option_reply_decode (out.data + NBD_GREETING_SIZE,
                                     &reply) == 0);
  nbd_buffer_free (&in);
  nbd_buffer_free (&out);
  return reply.type;
}

static void
test_limits (void)
{
  struct nbd_buffer in = { 0 }, out = { 0 };
  unsigned i;

  assert (reply_to_length (0) == NBD_REP_SERVER);
  assert (reply_to_length (60000) == NBD_REP_ERR_INVALID);
  assert (reply_to_length (1 << 20) == NBD_REP_ERR_TOO_BIG);
  assert (reply_to_length ((1 << 20) + 1) == 0);
  nbd_put32 (&in, NBD_FLAG_FIXED_NEWSTYLE);
  for (i = 0; i < 5000; i++)
    nbd_option_put (&in, NBD_OPT_STARTTLS, 0);
  assert (converse (in.data, in.length, &out) == -E2BIG);
  nbd_buffer_free (&in);
  nbd_buffer_free (&out);
  /* A client that is not fixed newstyle can only name an export. */
  nbd_put32 (&in, 0);
  nbd_option_put (&in, NBD_OPT_LIST, 0);
  assert (converse (in.data, in.length, &out) == -EPROTO);
  nbd_buffer_free (&in);
  nbd_put32 (&in, 4);
  assert (converse (in.data, in.length, &out) == -EPROTO);
  nbd_buffer_free (&in);
  nbd_buffer_free (&out);
}

/* A client that sends IN, waits until the gateway has nothing more to say for
 * QUIET_MS, and then, if it is still there, sends ABORT.  Returns what the
 * handshake returned. */
static int
converse_slowly (const struct handshake_limits *limits,
                 const struct nbd_buffer *in, int quiet_ms)
{
  struct nbd_buffer goodbye = { 0 };
  struct server server;
  pthread_t thread;
  uint8_t data[4096];
  int pair[2];

  assert (socketpair (AF_UNIX, SOCK_STREAM, 0, pair) == 0);
  server = (struct server) { pair[0], 0, limits };
  assert (pthread_create (&thread, NULL, serve, &server) == 0);
  assert (full_send (pair[1], in->data, in->length) == 0);
  for (;;) {
    struct pollfd pfd = { .fd = pair[1], .events = POLLIN };

    if (poll (&pfd, 1, quiet_ms) == 0) {
      nbd_option_put (&goodbye, NBD_OPT_ABORT, 0);
      assert (full_send (pair[1], goodbye.data, goodbye.length) == 0);
      nbd_buffer_free (&goodbye);
      break;
    }
    if (read (pair[1], data, sizeof data) <= 0)
      break;
  }
  pthread_join (thread, NULL);
  close (pair[1]);
  return server.result;
}

/* Between two options there is much time, for one there is little, and for all
 * together there is an end. */
static void
test_time (void)
{
  static const struct handshake_limits patient = { 3000, 100000, 100000 },
    short_option = { 200, 100000, 100000 }, short_pause = { 5000, 300, 100000 },
    short_total = { 5000, 100000, 300 };
  struct nbd_buffer in = { 0 };

  nbd_put32 (&in, NBD_FLAG_FIXED_NEWSTYLE);
  assert (converse_slowly (&short_option, &in, -1) == -ETIMEDOUT);
  nbd_option_put (&in, NBD_OPT_LIST, 0);
  assert (converse_slowly (&patient, &in, 3500) == -ECONNABORTED);
  assert (converse_slowly (&short_pause, &in, -1) == -ETIMEDOUT);
  assert (converse_slowly (&short_total, &in, -1) == -ETIMEDOUT);
  nbd_put32 (&in, 0);          /* a part of the next one */
  assert (converse_slowly (&short_option, &in, -1) == -ETIMEDOUT);
  nbd_buffer_free (&in);
}

int
main (void)
{
  const char *text = getenv ("SEED");
  unsigned seed = text != NULL ? (unsigned) strtoul (text, NULL, 10) :
                                 (unsigned) time (NULL);
  struct nbd_buffer in = { 0 };

  setvbuf (stdout, NULL, _IOLBF, 0);
  printf ("SEED=%u\n", seed);
  signal (SIGPIPE, SIG_IGN);
  alarm (500);                  /* nothing above may hang */
  put_valid_stream (&in);
  assert (!in.failed);
  test_valid_stream (&in);
  test_truncations (&in);
  test_mutations (&in, seed, 3000);
  test_limits ();
  test_time ();
  nbd_buffer_free (&in);
  return 0;
}
