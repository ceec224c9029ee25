/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <glib.h>

#include "full-io.h"
#include "test-qmp-peer.h"
#include "test-qmp.h"

#define SCHEMA \
  "[{\"name\":\"query-qmp-schema\",\"meta-type\":\"command\",\"arg-type\":\"0\"}," \
  "{\"name\":\"0\",\"meta-type\":\"object\",\"members\":[]}," \
  "{\"name\":\"transaction\",\"meta-type\":\"command\",\"arg-type\":\"1\"}," \
  "{\"name\":\"1\",\"meta-type\":\"object\",\"members\":[{\"name\":\"actions\",\"type\":\"[2]\"}]}," \
  "{\"name\":\"[2]\",\"meta-type\":\"array\",\"element-type\":\"2\"}," \
  "{\"name\":\"2\",\"meta-type\":\"object\",\"tag\":\"type\",\"members\":[]," \
  "\"variants\":[{\"case\":\"abort\",\"type\":\"0\"}]}," \
  "{\"name\":\"odd\",\"meta-type\":\"command\",\"arg-type\":\"no-such-type\"},7," \
  "{\"name\":\"odder\",\"meta-type\":\"command\",\"arg-type\":9}," \
  "{\"meta-type\":\"command\"},{\"name\":[]},null]"

char peer_path[64];
static char folder[] = "/tmp/test-qmp-XXXXXX";

static void
clean_up (void)
{
  unlink (peer_path);
  rmdir (folder);
}

void
make_peer_folder (void)
{
  CHECK (mkdtemp (folder) != NULL);
  atexit (clean_up);
  snprintf (peer_path, sizeof peer_path, "%s/qmp.sock", folder);
}

/* --- the peer's side ----------------------------------------------------- */

void
say (int fd, const char *text)
{
  /* The other side may have hung up: that is what is tested. */
  if (full_send (fd, text, strlen (text)) < 0)
    return;
}

void
hear (int fd)
{
  char c = 0;

  while (c != '\n' && recv (fd, &c, 1, 0) == 1)
    ;
}

void
tell_no_jobs (int fd, unsigned id)
{
  g_autofree char *text = g_strdup_printf ("{\"return\": [], \"id\": %u}\r\n",
                                           id);

  hear (fd);
  say (fd, text);
}

void
wait_for_hangup (int fd)
{
  char c;

  while (recv (fd, &c, 1, 0) > 0)
    ;
}

void
shake_hands (int fd)
{
  say (fd, GREETING);
  hear (fd);
  /* The first is for a client that died. */
  say (fd, "{\"return\": [], \"id\": 57}\r\n{\"return\": {}, \"id\": 1}\r\n");
  hear (fd);
  say (fd, "{\"return\": " SCHEMA ", \"id\": 2}\r\n");
}

/* --- our side ------------------------------------------------------------ */

static void *
run_peer (void *opaque)
{
  struct peer *peer = opaque;
  int fd = accept (peer->listener, NULL, NULL);

  CHECK (fd >= 0);
  peer->play (fd);
  close (fd);
  return NULL;
}

void
start_peer (struct peer *peer, void (*play) (int fd))
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };

  memcpy (address.sun_path, peer_path, strlen (peer_path) + 1);
  peer->play = play;
  peer->listener = socket (AF_UNIX, SOCK_STREAM, 0);
  CHECK (peer->listener >= 0);
  CHECK (bind (peer->listener, (struct sockaddr *) &address, sizeof address)
         == 0);
  CHECK (listen (peer->listener, 1) == 0);
  CHECK (pthread_create (&peer->thread, NULL, run_peer, peer) == 0);
}

void
end_peer (struct peer *peer)
{
  CHECK (pthread_join (peer->thread, NULL) == 0);
  close (peer->listener);
  unlink (peer_path);
}

struct qmp *
open_with (struct peer *peer, void (*play) (int fd))
{
  struct failure why = { .error = 0 };
  struct qmp *qmp;

  start_peer (peer, play);
  CHECK_OK (qmp_open (peer_path, 10000, &qmp, &why), &why);
  return qmp;
}
