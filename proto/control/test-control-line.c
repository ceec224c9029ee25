/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Lines over a socket pair: good ones, broken ones, cut ones, huge ones. */
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

#include "control-line.h"
#include "full-io.h"

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

/* Feeds DATA and reads once; AGAIN: and once more, which must say that. */
static int
read_fed (const char *data, size_t length, size_t piece, int again,
          json_object **object)
{
  int fds[2], r;
  pthread_t thread;
  struct failure why = { .error = 0 };
  struct control_line *line;
  struct feed feed = { .data = data, .length = length, .piece = piece };

  assert (socketpair (AF_UNIX, SOCK_STREAM, 0, fds) == 0);
  feed.fd = fds[0];
  assert (pthread_create (&thread, NULL, feed_main, &feed) == 0);
  line = control_line_create (fds[1]);
  r = control_line_read (line, 10000, 10000, object, &why);
  assert (r == 0 || (why.error == -r && why.text[0] != '\0'));
  if (r != -EMSGSIZE) {
    json_object *more;
    struct failure why2 = { .error = 0 };

    assert (control_line_read (line, 10000, 10000, &more, &why2) == again);
  }
  shutdown (fds[1], SHUT_RDWR);
  pthread_join (thread, NULL);
  control_line_destroy (line);
  close (fds[0]);
  close (fds[1]);
  return r;
}

static void
expect (const char *data, int result, int again)
{
  json_object *object = NULL;
  size_t pieces[] = { 1, 3, 100000 };
  size_t i;
  int r;

  for (i = 0; i < 3; i++) {
    r = read_fed (data, strlen (data), pieces[i], again, &object);
    if (r != result)
      fprintf (stderr, "%s: %d, expected %d\n", data, r, result);
    assert (r == result);
    if (r == 0)
      json_object_put (object);
  }
}

static void
test_lines (void)
{
  expect ("{}\n", 0, -ENOTCONN);
  expect ("\n \r\n{\"a\": [1, \"x\"]} \r\n", 0, -ENOTCONN);
  expect ("{\"a\": 1", -ECONNRESET, -ECONNRESET);
  expect ("", -ENOTCONN, -ENOTCONN);
  expect ("nonsense\n", -EBADMSG, -ENOTCONN);
  expect ("[]\n", -EBADMSG, -ENOTCONN);
  expect ("null\n", -EBADMSG, -ENOTCONN);
  expect ("7\n", -EBADMSG, -ENOTCONN);
  expect ("{}{}\n", -EBADMSG, -ENOTCONN);
  expect ("{\"a\":\n", -EBADMSG, -ENOTCONN);
  expect ("{\"a\": \"\xff\xfe\"}\n", -EBADMSG, -ENOTCONN);
}

static void
test_limits (void)
{
  size_t length = CONTROL_LINE_MAX + 4096;
  char *big = malloc (length + 1);
  json_object *object = NULL;

  memset (big, 'x', length);
  assert (read_fed (big, length, 65536, 0, &object) == -EMSGSIZE);
  memset (big, '[', length);
  memcpy (big, "{\"a\":", 5);
  big[1000] = '\n';
  assert (read_fed (big, 1001, 65536, -ENOTCONN, &object) == -EBADMSG);
  /* A NUL in a line must not hide what follows it. */
  assert (read_fed ("{}\0{}\n", 6, 10, -ENOTCONN, &object) == -EBADMSG);
  free (big);
}

static void
test_deadline (void)
{
  int fds[2];
  struct failure why = { .error = 0 };
  json_object *object;
  struct control_line *line;

  assert (socketpair (AF_UNIX, SOCK_STREAM, 0, fds) == 0);
  line = control_line_create (fds[1]);
  assert (control_line_read (line, 20, 20, &object, &why) == -ETIMEDOUT);
  assert (full_send (fds[0], "{", 1) == 0);
  why.error = 0;
  assert (control_line_read (line, -1, 20, &object, &why) == -ETIMEDOUT);
  control_line_destroy (line);
  close (fds[0]);
  close (fds[1]);
}

static void
test_write (void)
{
  int fds[2];
  struct failure why = { .error = 0 };
  json_object *object = json_object_new_object (), *back = NULL;
  char *big;
  struct control_line *line;

  assert (socketpair (AF_UNIX, SOCK_STREAM, 0, fds) == 0);
  json_object_object_add (object, "path",
                          json_object_new_string ("/a\n\"b\""));
  assert (control_line_write (fds[0], object, 1000) == 0);
  line = control_line_create (fds[1]);
  assert (control_line_read (line, 1000, 1000, &back, &why) == 0);
  assert (json_object_equal (object, back));
  json_object_put (back);
  json_object_put (object);
  /* A peer that reads nothing costs a timeout, not a thread. */
  object = json_object_new_object ();
  big = calloc (1, 1 << 20);
  back = json_object_new_string_len (big, 1 << 20);
  free (big);
  json_object_object_add (object, "big", back);
  assert (control_line_write (fds[0], object, 20) == -ETIMEDOUT);
  json_object_put (object);
  control_line_destroy (line);
  close (fds[1]);
  object = json_object_new_object ();
  assert (control_line_write (fds[0], object, 20) == -EPIPE);
  json_object_put (object);
  close (fds[0]);
}

/* Random edits of a good line: never a crash, and a result we know. */
static void
test_random (unsigned seed)
{
  static const char good[] =
    "{\"execute\": \"backup-begin\", \"arguments\": {\"domain\": \"vm1\", "
    "\"disks\": [\"vda\", \"vdb=node1\"], \"strict\": true}, \"id\": 7}\n";
  char text[sizeof good];
  int i, k, edits, r;

  for (i = 0; i < 2000; i++) {
    int fds[2];
    struct failure why = { .error = 0 };
    json_object *object = NULL;
    struct control_line *line;

    memcpy (text, good, sizeof good);
    edits = 1 + rand_r (&seed) % 4;
    for (k = 0; k < edits; k++)
      text[(size_t) rand_r (&seed) % (sizeof good - 2)] =
        (char) (rand_r (&seed) % 256);
    assert (socketpair (AF_UNIX, SOCK_STREAM, 0, fds) == 0);
    assert (full_send (fds[0], text, sizeof good - 1) == 0);
    close (fds[0]);
    line = control_line_create (fds[1]);
    do {
      why.error = 0;
      r = control_line_read (line, 1000, 1000, &object, &why);
      if (r == 0)
        json_object_put (object);
    } while (r == 0 || r == -EBADMSG);
    assert (r == -ENOTCONN || r == -ECONNRESET);
    control_line_destroy (line);
    close (fds[1]);
  }
}

int
main (void)
{
  const char *given = getenv ("SEED");
  unsigned seed = given ? (unsigned) atoi (given) : (unsigned) time (NULL);

  printf ("SEED=%u\n", seed);
  test_lines ();
  test_limits ();
  test_deadline ();
  test_write ();
  test_random (seed);
  return 0;
}
