/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Objects over a socket pair: good ones, broken ones, cut ones, huge ones, in
 * lines and not, in pieces of all sizes. */
#include <config.h>

#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "deadline.h"
#include "full-io.h"
#include "json-stream.h"

#define DEADLINE_MS 20000
#define BYTES_MAX (1024 * 1024)
#define VALUES_MAX 1000
#define DEPTH_MAX 32

static const struct json_stream_rules in_lines = {
  .bytes = BYTES_MAX, .values = VALUES_MAX, .depth = DEPTH_MAX, .lines = true
};
static const struct json_stream_rules in_a_row = {
  .bytes = BYTES_MAX, .values = VALUES_MAX, .depth = DEPTH_MAX
};

static const struct json_stream_rules lenient_lines = {
  .bytes = BYTES_MAX, .values = VALUES_MAX, .depth = DEPTH_MAX, .lines = true,
  .lenient = true
};
static const struct json_stream_rules lenient_row = {
  .bytes = BYTES_MAX, .values = VALUES_MAX, .depth = DEPTH_MAX, .lenient = true
};

struct feed {
  int fd;
  const char *data;
  size_t length;
  size_t piece;                 /* bytes per write */
};

static void *
feed_main (void *opaque)
{
  struct feed *feed = opaque;
  size_t done = 0;

  while (done < feed->length) {
    size_t n = feed->length - done;

    if (n > feed->piece)
      n = feed->piece;
    if (full_send (feed->fd, feed->data + done, n) < 0)
      break;
    done += n;
  }
  shutdown (feed->fd, SHUT_WR);
  return NULL;
}

static struct json_stream *
open_pair (int fds[2], const struct json_stream_rules *rules)
{
  struct json_stream *stream;

  assert (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
  stream = json_stream_create (fds[1], rules);
  assert (stream != NULL);
  return stream;
}

static void
close_pair (int fds[2], struct json_stream *stream)
{
  json_stream_destroy (stream);
  close (fds[0]);
  close (fds[1]);
}

static int
read_soon (struct json_stream *stream, json_object **object)
{
  *object = NULL;
  return json_stream_read (stream, now_ms () + DEADLINE_MS, object);
}

/* Feeds DATA in pieces, and reads until something is wrong, which is returned;
 * *GOOD and *BAD: how many objects and lines came before that. */
static int
read_fed (const struct json_stream_rules *rules, const char *data,
          size_t length, size_t piece, unsigned *good, unsigned *bad)
{
  struct feed feed = { .data = data, .length = length, .piece = piece };
  struct json_stream *stream;
  json_object *object;
  pthread_t thread;
  int fds[2], r;

  *good = *bad = 0;
  stream = open_pair (fds, rules);
  feed.fd = fds[0];
  assert (pthread_create (&thread, NULL, feed_main, &feed) == 0);
  do {
    r = read_soon (stream, &object);
    assert ((r == 0) == (object != NULL));
    *good += r == 0;
    *bad += r == -EBADMSG && rules->lines;
    json_object_put (object);
  } while (r == 0 || (r == -EBADMSG && rules->lines));
  shutdown (fds[1], SHUT_RDWR);
  pthread_join (thread, NULL);
  close_pair (fds, stream);
  return r;
}

static void
expect_bytes (const struct json_stream_rules *rules, const char *data,
              size_t length, unsigned good, unsigned bad, int end)
{
  size_t pieces[] = { 1, 3, 100000 }, i;
  unsigned got_good, got_bad;
  int r;

  for (i = length > 1000 ? 2 : 0; i < 3; i++) {
    r = read_fed (rules, data, length, pieces[i], &got_good, &got_bad);
    if (r != end || got_good != good || got_bad != bad)
      fprintf (stderr, "%.80s: %u good, %u bad, %d\n", data, got_good,
               got_bad, r);
    assert (r == end && got_good == good && got_bad == bad);
  }
}

static void
expect (const struct json_stream_rules *rules, const char *data, unsigned good,
        unsigned bad, int end)
{
  expect_bytes (rules, data, strlen (data), good, bad, end);
}

static void
test_lines (void)
{
  expect (&in_lines, "", 0, 0, -ECONNRESET);
  expect (&in_lines, "{}\n", 1, 0, -ECONNRESET);
  expect (&in_lines, "\n \r\n{\"a\": [1, \"x\"]} \r\n\n{}\n", 2, 0, -ECONNRESET);
  expect (&in_lines, "{}\n{\"a\": 1", 1, 0, -ECONNRESET);
  expect (&in_lines, "{}", 0, 0, -ECONNRESET);
  expect (&in_lines, "nonsense\n{}\n", 1, 1, -ECONNRESET);
  expect (&in_lines, "[]\nnull\n7\n\"x\"\n{}\n", 1, 4, -ECONNRESET);
  expect (&in_lines, "{}{}\n{} {}\n{},\n{}\n", 1, 3, -ECONNRESET);
  expect (&in_lines, "{\"a\":\n1}\n{\"a\n\"}\n{}\n", 1, 4, -ECONNRESET);
  /* A NUL in a line must not hide what follows it. */
  expect_bytes (&in_lines, "{}\0{}\n{\"\0\":1}\n\0\n{}\n", 20, 1, 3,
                -ECONNRESET);
}

static void
test_row (void)
{
  expect (&in_a_row, "", 0, 0, -ECONNRESET);
  expect (&in_a_row, "{}\r\n{\"a\":\n{}}{}{ }\n", 4, 0, -ECONNRESET);
  expect (&in_a_row, "{}{", 1, 0, -ECONNRESET);
  expect (&in_a_row, "{}\n}{}", 1, 0, -EBADMSG);
  expect (&in_a_row, "[]", 0, 0, -EBADMSG);
  expect (&in_a_row, "hello\n", 0, 0, -EBADMSG);
  expect_bytes (&in_a_row, "{}\0{}", 5, 1, 0, -EBADMSG);
}

static void
test_utf8 (void)
{
  expect (&in_lines, "{\"\xc3\xa9\": \"\xe2\x82\xac \xf0\x9f\x90\x98\"}\n", 1,
          0, -ECONNRESET);
  expect (&in_lines, "{\"a\": \"\xff\xfe\"}\n{\"\xe2\x82\": 1}\n{\"\xa9\": 1}\n",
          0, 3, -ECONNRESET);
  expect (&in_a_row, "{\"\xc3\xa9\": 1}{\"\xc3\": 1}", 1, 0, -EBADMSG);
}

static void
test_lenient (void)
{
  expect (&lenient_lines,
          "{\"a\": \"d\xe9j\xe0\"}\n{} x\n{}{}\n{},\r\n{}\n",
          5, 0, -ECONNRESET);
  expect_bytes (&lenient_lines, "{}\0\n{}\n", 7, 2, 0, -ECONNRESET);
  expect (&lenient_lines, "x{}\n[]\n{\"a\n{\"\xff\": \n{}\n", 1, 4,
          -ECONNRESET);
  expect (&lenient_row, "{\"\xe9\": 1}{\"\xe2\x82\": \"\xff\"}\n{}", 3, 0,
          -ECONNRESET);
  expect (&lenient_row, "{} x", 1, 0, -EBADMSG);
}

/* What begins as no object is refused before its end comes. */
static void
test_quiet_stranger (void)
{
  static const char *const strangers[] = {
    "\"abc", "1", "[", "t", "-", " \n ["
  };
  struct json_stream *stream;
  json_object *object;
  int fds[2];
  size_t i;

  for (i = 0; i < sizeof strangers / sizeof strangers[0]; i++) {
    stream = open_pair (fds, &in_a_row);
    assert (full_send (fds[0], strangers[i], strlen (strangers[i])) == 0);
    assert (read_soon (stream, &object) == -EBADMSG);
    close_pair (fds, stream);
  }
}

/* Makes PREFIX, then so many of FILL, then SUFFIX. */
static size_t
fill_text (char *text, const char *prefix, char fill, size_t n,
           const char *suffix)
{
  size_t length = strlen (prefix);

  memcpy (text, prefix, length);
  memset (text + length, fill, n);
  strcpy (text + length + n, suffix);
  return length + n + strlen (suffix);
}

static void
test_limits (void)
{
  CLEANUP_FREE char *big = malloc (BYTES_MAX + 100);
  const struct json_stream_rules *both[] = { &in_lines, &in_a_row };
  size_t n, i;

  for (i = 0; i < 2; i++) {
    bool lines = both[i]->lines;

    n = fill_text (big, "{\"a\":\"", 'x', BYTES_MAX - 9, "\"}\n{}\n");
    assert (n == BYTES_MAX + 3);
    expect_bytes (both[i], big, n, 2, 0, -ECONNRESET);
    n = fill_text (big, "{\"a\":\"", 'x', BYTES_MAX - 7, "\"}\n");
    expect_bytes (both[i], big, n, 0, 0, -EMSGSIZE);
    n = fill_text (big, "", 'x', BYTES_MAX + 1, "");
    expect_bytes (both[i], big, n, 0, 0, lines ? -EMSGSIZE : -EBADMSG);
    n = fill_text (big, "{\"a\":", '[', DEPTH_MAX, "\n");
    expect_bytes (both[i], big, n, 0, lines, lines ? -ECONNRESET : -EMSGSIZE);
    n = fill_text (big, "{\"a\":\"", ',', VALUES_MAX - 1, "\"}\n{}\n");
    expect_bytes (both[i], big, n, 2, 0, -ECONNRESET);
    n = fill_text (big, "{\"a\":\"", ',', VALUES_MAX, "\"}\n");
    expect_bytes (both[i], big, n, 0, 0, -EMSGSIZE);
    n = fill_text (big, "{\"a\":", '[', VALUES_MAX, "\n{}\n");
    expect_bytes (both[i], big, n, lines, lines,
                  lines ? -ECONNRESET : -EMSGSIZE);
    /* Blanks are no part of what follows them. */
    n = fill_text (big, "", '\n', BYTES_MAX + 1, "{}\n");
    expect_bytes (both[i], big, n, 1, 0, -ECONNRESET);
  }
}

static void
test_deadline (void)
{
  struct json_stream *stream;
  json_object *object;
  int fds[2];

  stream = open_pair (fds, &in_lines);
  assert (json_stream_wait (stream, now_ms () + 20) == -ETIMEDOUT);
  assert (json_stream_read (stream, now_ms () + 20, &object) == -ETIMEDOUT);
  assert (full_send (fds[0], " \n \n", 4) == 0);
  assert (json_stream_wait (stream, now_ms () + 20) == -ETIMEDOUT);
  assert (!json_stream_is_amid (stream));
  assert (full_send (fds[0], "{\"a\":", 5) == 0);
  assert (json_stream_wait (stream, INT64_MAX) == 0);
  assert (json_stream_has_bytes (stream));
  assert (json_stream_read (stream, now_ms () + 20, &object) == -ETIMEDOUT);
  assert (json_stream_is_amid (stream) && !json_stream_has_bytes (stream));
  assert (full_send (fds[0], "1}\n{}\n{}\n", 9) == 0);
  /* It goes on where it stopped, and what has come needs no time. */
  assert (json_stream_read (stream, 0, &object) == 0);
  json_object_put (object);
  assert (json_stream_read (stream, 0, &object) == 0);
  json_object_put (object);
  assert (!json_stream_is_amid (stream) && json_stream_has_bytes (stream));
  assert (json_stream_wait (stream, 0) == 0);
  assert (json_stream_read (stream, 0, &object) == 0);
  json_object_put (object);
  assert (json_stream_read (stream, 0, &object) == -ETIMEDOUT);
  shutdown (fds[0], SHUT_RDWR);
  assert (json_stream_wait (stream, INT64_MAX) == -ECONNRESET);
  close_pair (fds, stream);
}

/* Always another byte, never an end. */
static void *
chatter_main (void *opaque)
{
  while (full_send (*(int *) opaque, " ", 1) == 0)
    ;
  return NULL;
}

static void
test_endless_peer (void)
{
  struct json_stream *stream;
  json_object *object;
  pthread_t thread;
  int fds[2];

  stream = open_pair (fds, &in_a_row);
  assert (pthread_create (&thread, NULL, chatter_main, &fds[0]) == 0);
  assert (json_stream_read (stream, now_ms () + 50, &object) == -ETIMEDOUT);
  assert (json_stream_skip_past (stream, '\xff', now_ms () + 50) == -ETIMEDOUT);
  shutdown (fds[1], SHUT_RDWR);
  pthread_join (thread, NULL);
  close_pair (fds, stream);
}

static void
test_problem (void)
{
  static const char *const broken[][2] = {
    { "{\"a\":\n", "it ends too early" },
    { "{}{}\n", "something else" },
    { "[]\n", "something else" },
    { "{\"\xff\": 1}\n", "invalid utf-8 string" }
  };
  struct json_stream *stream;
  json_object *object;
  int fds[2];
  size_t i;

  stream = open_pair (fds, &in_lines);
  for (i = 0; i < sizeof broken / sizeof broken[0]; i++) {
    assert (full_send (fds[0], broken[i][0], strlen (broken[i][0])) == 0);
    assert (read_soon (stream, &object) == -EBADMSG);
    assert (strcmp (json_stream_problem (stream), broken[i][1]) == 0);
  }
  close_pair (fds, stream);
}

static void
test_skip (void)
{
  static const char text[] = "{\"half\": \xff[1, {\n\xff\xff{\"a\": 1}\n{\"";
  struct json_stream *stream;
  json_object *object;
  int fds[2];

  stream = open_pair (fds, &in_lines);
  assert (full_send (fds[0], text, strlen (text)) == 0);
  assert (json_stream_skip_past (stream, '\xff', INT64_MAX) == 0);
  assert (read_soon (stream, &object) == -EBADMSG);
  assert (json_stream_skip_past (stream, '\xff', INT64_MAX) == 0);
  assert (json_stream_skip_past (stream, '\xff', INT64_MAX) == 0);
  assert (read_soon (stream, &object) == 0);
  json_object_put (object);
  /* What was begun is forgotten. */
  assert (json_stream_read (stream, now_ms (), &object) == -ETIMEDOUT);
  assert (full_send (fds[0], "\xff{}\n", 4) == 0);
  assert (json_stream_skip_past (stream, '\xff', INT64_MAX) == 0);
  assert (read_soon (stream, &object) == 0);
  json_object_put (object);
  close_pair (fds, stream);
}

/* After a line without an end, too. */
static void
test_skip_after_huge (void)
{
  CLEANUP_FREE char *big = malloc (BYTES_MAX + 100);
  struct feed feed = { .data = big, .piece = BYTES_MAX };
  struct json_stream *stream;
  json_object *object;
  pthread_t thread;
  int fds[2];

  feed.length = fill_text (big, "{\"a\":\"", 'x', BYTES_MAX, "\xff{}\n");
  stream = open_pair (fds, &lenient_lines);
  feed.fd = fds[0];
  assert (pthread_create (&thread, NULL, feed_main, &feed) == 0);
  assert (read_soon (stream, &object) == -EMSGSIZE);
  assert (json_stream_skip_past (stream, '\xff', INT64_MAX) == 0);
  assert (read_soon (stream, &object) == 0);
  json_object_put (object);
  pthread_join (thread, NULL);
  close_pair (fds, stream);
}

/* Who reads packet by packet gets a line at once. */
static void
test_write_at_once (void)
{
  json_object *object = json_object_new_object ();
  char packet[16];
  int fds[2];

  assert (socketpair (AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) == 0);
  assert (json_stream_write (fds[0], object,
                             now_ms () + DEADLINE_MS) == 0);
  assert (recv (fds[1], packet, sizeof packet, 0) == 3);
  assert (memcmp (packet, "{}\n", 3) == 0);
  json_object_put (object);
  close (fds[0]);
  close (fds[1]);
}

static void
test_write (void)
{
  json_object *object = json_object_new_object (), *back;
  CLEANUP_FREE char *big = calloc (1, BYTES_MAX);
  struct json_stream *stream;
  int fds[2];

  stream = open_pair (fds, &in_lines);
  json_object_object_add (object, "path",
                          json_object_new_string ("/a\n\"b\""));
  assert (json_stream_write (fds[0], object,
                             now_ms () + DEADLINE_MS) == 0);
  assert (read_soon (stream, &back) == 0);
  assert (json_object_equal (object, back));
  json_object_put (back);
  /* A peer that reads nothing costs a timeout, not a thread. */
  json_object_object_add (object, "big",
                          json_object_new_string_len (big, BYTES_MAX));
  assert (json_stream_write (fds[0], object, now_ms () + 20) == -ETIMEDOUT);
  shutdown (fds[1], SHUT_RDWR);
  assert (json_stream_write (fds[0], object,
                             now_ms () + DEADLINE_MS) == -EPIPE);
  json_object_put (object);
  close_pair (fds, stream);
}

/* Random edits of a good line: never a crash, a result we know, and the same
 * whatever the pieces it comes in. */
static void
test_random (unsigned seed)
{
  static const char good[] =
    "{\"execute\": \"backup-begin\", \"arguments\": {\"domain\": \"\xc3\xa9\", "
    "\"disks\": [\"vda\", \"vdb=node1\"], \"strict\": true}, \"id\": 7}\n";
  unsigned counts[2][2];
  char text[sizeof good];
  int i, k, edits, r;

  for (i = 0; i < 1000; i++) {
    const struct json_stream_rules *rules = i % 2 == 0 ? &in_lines : &in_a_row;

    memcpy (text, good, sizeof good);
    edits = 1 + rand_r (&seed) % 4;
    for (k = 0; k < edits; k++)
      text[(size_t) rand_r (&seed) % (sizeof good - 2)] =
        (char) (rand_r (&seed) % 256);
    r = read_fed (rules, text, sizeof good - 1, sizeof good, &counts[0][0],
                  &counts[0][1]);
    assert (r == -ECONNRESET || (r == -EBADMSG && !rules->lines));
    assert (read_fed (rules, text, sizeof good - 1,
                      1 + (size_t) rand_r (&seed) % 20, &counts[1][0],
                      &counts[1][1]) == r);
    assert (memcmp (counts[0], counts[1], sizeof counts[0]) == 0);
  }
}

int
main (void)
{
  const char *given = getenv ("SEED");
  unsigned seed = given ? (unsigned) atoi (given) : (unsigned) time (NULL);

  printf ("SEED=%u\n", seed);
  test_lines ();
  test_row ();
  test_utf8 ();
  test_lenient ();
  test_quiet_stranger ();
  test_limits ();
  test_deadline ();
  test_endless_peer ();
  test_problem ();
  test_skip ();
  test_skip_after_huge ();
  test_write_at_once ();
  test_write ();
  test_random (seed);
  return 0;
}
