/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The pump in two steps: nothing reaches the other side before all is here, whatever the
 * crumbs are that it comes in, and a sender that is lost amid it is told of. */
#include <config.h>

#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "full-io.h"
#include "gateway-pump.h"

#define LENGTH (200u << 10)

static uint8_t sent[LENGTH], got[LENGTH];

struct sender {
  int fd;
  size_t length, crumb;
};

static void *
send_crumbs (void *opaque)
{
  const struct sender *sender = opaque;
  size_t done = 0;

  while (done < sender->length) {
    size_t n = sender->length - done < sender->crumb ? sender->length - done
                                                     : sender->crumb;

    assert (full_send (sender->fd, sent + done, n) == 0);
    done += n;
  }
  return NULL;
}

/* HERE of SENT has come already, the rest comes in crumbs.  What fill returned, and what
 * is in the pipe then. */
static int
fill (struct gateway_pump *pump, const int from[2], size_t here, size_t come,
      size_t crumb, struct pulse *pulse, size_t *in_pipe)
{
  struct sender sender = { from[1], come, crumb };
  pthread_t thread;
  int r;

  assert (pthread_create (&thread, NULL, send_crumbs, &sender) == 0);
  if (come < LENGTH - here) {
    assert (pthread_join (thread, NULL) == 0);
    assert (shutdown (from[1], SHUT_WR) == 0);
  }
  r = gateway_pump_fill (pump, from[0], sent + LENGTH - here, here, LENGTH,
                         pulse, in_pipe);
  /* What found no place in the pipe. */
  if (r == 0 && *in_pipe < LENGTH)
    assert (full_recv (from[0], got + *in_pipe, LENGTH - *in_pipe) == 0);
  if (come == LENGTH - here)
    assert (pthread_join (thread, NULL) == 0);
  return r;
}

static void
check (size_t here, size_t crumb)
{
  uint8_t expected[LENGTH];
  size_t in_pipe = 0;
  struct gateway_pump pump;
  struct pulse pulse;
  int from[2];

  assert (socketpair (AF_UNIX, SOCK_STREAM, 0, from) == 0);
  assert (gateway_pump_open (&pump) == 0);
  gateway_pulse_create (&pulse);
  if (gateway_pump_holds (&pump)) {
    assert (fill (&pump, from, here, LENGTH - here, crumb, &pulse,
                  &in_pipe) == 0);
    assert (crumb > 1000 ? in_pipe == LENGTH : in_pipe < LENGTH);
    assert (gateway_pump_get (&pump, got, in_pipe) == 0);
    memcpy (expected, sent + LENGTH - here, here);
    memcpy (expected + here, sent, LENGTH - here);
    assert (memcmp (got, expected, LENGTH) == 0);
  }
  gateway_pulse_destroy (&pulse);
  gateway_pump_close (&pump);
  close (from[0]);
  close (from[1]);
}

static void
a_lost_sender_is_told (void)
{
  size_t in_pipe = 0;
  struct gateway_pump pump;
  struct pulse pulse;
  int from[2];

  assert (socketpair (AF_UNIX, SOCK_STREAM, 0, from) == 0);
  assert (gateway_pump_open (&pump) == 0);
  gateway_pulse_create (&pulse);
  assert (fill (&pump, from, 10, 5000, 1000, &pulse, &in_pipe) ==
          -ECONNRESET);
  gateway_pulse_destroy (&pulse);
  gateway_pump_close (&pump);
  close (from[0]);
  close (from[1]);
}

static void
what_is_there_goes_on (void)
{
  const uint8_t head[] = "head";
  size_t in_pipe = 0;
  struct gateway_pump pump;
  struct pulse pulse;
  int from[2], to[2];

  assert (socketpair (AF_UNIX, SOCK_STREAM, 0, from) == 0);
  assert (socketpair (AF_UNIX, SOCK_STREAM, 0, to) == 0);
  assert (gateway_pump_open (&pump) == 0);
  gateway_pulse_create (&pulse);
  assert (full_send (from[1], sent, 5000) == 0);
  assert (gateway_pump_fill (&pump, from[0], NULL, 0, 5000, &pulse,
                             &in_pipe) == 0);
  assert (in_pipe == 5000);
  assert (recv (to[1], got, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN);
  assert (gateway_pump_empty (&pump, to[0], head, 4, in_pipe) == 0);
  assert (full_recv (to[1], got, 5004) == 0);
  assert (memcmp (got, head, 4) == 0 && memcmp (got + 4, sent, 5000) == 0);
  gateway_pulse_destroy (&pulse);
  gateway_pump_close (&pump);
  close (from[0]);
  close (from[1]);
  close (to[0]);
  close (to[1]);
}

int
main (void)
{
  size_t i;

  for (i = 0; i < LENGTH; i++)
    sent[i] = (uint8_t) (i * 31 + i / 251);
  check (0, LENGTH);
  check (868, LENGTH);
  check (868, 100);
  a_lost_sender_is_told ();
  what_is_there_goes_on ();
  return 0;
}
