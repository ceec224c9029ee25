/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Commands, with a QEMU that refuses them or goes away. */
#include <config.h>

#include <errno.h>
#include <string.h>

#include "qmp-node.h"
#include "test-qmp-peer.h"
#include "test-qmp.h"

static void
peer_refuses (int fd)
{
  shake_hands (fd);
  hear (fd);
  say (fd, "{\"error\": {\"desc\": \"no\"}, \"id\": 3}\r\n");
  hear (fd);
  say (fd, "{\"error\": {\"desc\": \"in use\"}, \"id\": 4}\r\n");
  hear (fd);
  say (fd, "{\"error\": {\"desc\": \"no\"}, \"id\": 5}\r\n");
}

/* Whoever does not say has not said no. */
static void
test_node_exists (void)
{
  struct failure why = { .error = 0 };
  struct peer peer;
  struct qmp *qmp = open_with (&peer, peer_refuses);

  CHECK_FAILS (qmp_node_exists (qmp, "a", &why), EREMOTEIO, &why,
               "query-named-block-nodes: no");
  CHECK_FAILS (qmp_node_remove (qmp, "a", &why), EREMOTEIO, &why, "in use");
  CHECK_FAILS (qmp_node_exists (qmp, "a", &why), ENOTCONN, &why, "closed");
  CHECK_FAILS (qmp_node_exists (qmp, "a", &why), ENOTCONN, &why, "closed");
  qmp_close (qmp);
  end_peer (&peer);
}

/* A chain of three, "b" on the lowest; its file's own node has the same name but
 * no bitmaps, and "loop" is its own backing file. */
static void
peer_chain (int fd)
{
  static const char nodes[] =
    "{\"return\": [{\"node-name\": \"top\", \"drv\": \"qcow2\", \"file\": \"/t\", "
    "\"backing_file\": \"/m\"}, "
    "{\"node-name\": \"mid\", \"drv\": \"qcow2\", \"file\": \"/m\", "
    "\"backing_file\": \"/l\"}, "
    "{\"node-name\": \"file\", \"drv\": \"file\", \"file\": \"/l\"}, "
    "{\"node-name\": \"low\", \"drv\": \"qcow2\", \"file\": \"/l\", "
    "\"dirty-bitmaps\": [{\"name\": \"b\"}]}, "
    "{\"node-name\": \"loop\", \"drv\": \"qcow2\", \"file\": \"/o\", "
    "\"backing_file\": \"/p\"}, "
    "{\"node-name\": \"loop2\", \"drv\": \"qcow2\", \"file\": \"/p\", "
    "\"backing_file\": \"/o\"}], \"id\": %d}\r\n";
  char text[sizeof nodes + 16];
  int id;

  shake_hands (fd);
  for (id = 3; id < 7; id++) {
    hear (fd);
    snprintf (text, sizeof text, nodes, id);
    say (fd, text);
  }
  hear (fd);
  say (fd, "{\"error\": {\"desc\": \"no\"}, \"id\": 7}\r\n");
}

static void
test_bitmap_is_below (void)
{
  struct failure why = { .error = 0 };
  struct peer peer;
  struct qmp *qmp = open_with (&peer, peer_chain);

  CHECK (qmp_node_bitmap_is_below (qmp, "top", "b", &why) == 1);
  CHECK (qmp_node_bitmap_is_below (qmp, "low", "b", &why) == 0);
  CHECK (qmp_node_bitmap_is_below (qmp, "loop", "b", &why) == 0);
  CHECK (qmp_node_bitmap_is_below (qmp, "nix", "b", &why) == 0);
  CHECK_FAILS (qmp_node_bitmap_is_below (qmp, "top", "b", &why), EREMOTEIO,
               &why, "query-named-block-nodes: no");
  CHECK_FAILS (qmp_node_bitmap_is_below (qmp, "top", "b", &why), ENOTCONN,
               &why, "closed");
  qmp_close (qmp);
  end_peer (&peer);
}

int
main (void)
{
  make_peer_folder ();
  test_node_exists ();
  test_bitmap_is_below ();
  return 0;
}
