/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Commands, with a QEMU that refuses them or goes away. */
#include <config.h>

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include <glib.h>

#include "qmp-device.h"
#include "qmp-disk.h"
#include "qmp-image.h"
#include "qmp-node.h"
#include "test-qmp-peer.h"
#include "test-qmp.h"

static void
peer_refuses (int fd)
{
  shake_hands (fd);
  tell_no_jobs (fd, 3);
  hear (fd);
  say (fd, "{\"error\": {\"desc\": \"no\"}, \"id\": 4}\r\n");
  hear (fd);
  say (fd, "{\"error\": {\"desc\": \"in use\"}, \"id\": 5}\r\n");
  tell_no_jobs (fd, 6);
  hear (fd);
  say (fd, "{\"error\": {\"desc\": \"no\"}, \"id\": 7}\r\n");
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
  for (id = 3; id < 11; id += 2) {
    tell_no_jobs (fd, id);
    hear (fd);
    snprintf (text, sizeof text, nodes, id + 1);
    say (fd, text);
  }
  tell_no_jobs (fd, 11);
  hear (fd);
  say (fd, "{\"error\": {\"desc\": \"no\"}, \"id\": 12}\r\n");
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

/* Which file it has open cannot be seen: of a process that ends next, or of one that
 * only cannot be looked into. */
static void
peer_has_a_disk (int fd)
{
  shake_hands (fd);
  tell_no_jobs (fd, 3);
  hear (fd);
  say (fd, "{\"return\": [{\"node-name\": \"a\", \"drv\": \"qcow2\", "
       "\"file\": \"/nonexistent/image\"}], \"id\": 4}\r\n");
  hear (fd);
}

static void
peer_dies_amid_query (int fd)
{
  peer_has_a_disk (fd);
}

static void
peer_lives_on (int fd)
{
  peer_has_a_disk (fd);
  say (fd, "{\"error\": {\"desc\": \"no\"}, \"id\": 5}\r\n");
  wait_for_hangup (fd);
}

static void
test_disks_of_the_dying (void)
{
  struct failure why = { .error = 0 };
  struct qmp_disks disks = { 0 };
  struct qmp_disk disk = { 0 };
  struct peer peer;
  struct qmp *qmp = open_with (&peer, peer_dies_amid_query);

  CHECK_FAILS (qmp_disks_query (qmp, &disks, &why), ENOTCONN, &why, "closed");
  CHECK (disks.n == 0);
  qmp_close (qmp);
  end_peer (&peer);
  qmp = open_with (&peer, peer_dies_amid_query);
  CHECK_FAILS (qmp_disk_query (qmp, "a", "vda", &disk, &why), ENOTCONN, &why,
               "closed");
  qmp_close (qmp);
  end_peer (&peer);
  qmp = open_with (&peer, peer_lives_on);
  CHECK_OK (qmp_disks_query (qmp, &disks, &why), &why);
  CHECK (disks.n == 1 && strstr (disks.disks[0].image, QMP_IMAGE_NOT_KNOWN) != NULL);
  qmp_disks_clear (&disks);
  qmp_close (qmp);
  end_peer (&peer);
}

/* Hears what has to have TEXT in it. */
static void
hear_text (int fd, const char *text)
{
  char line[1024] = "";
  size_t n = 0;

  while (n + 1 < sizeof line && (n == 0 || line[n - 1] != '\n')
         && recv (fd, &line[n], 1, 0) == 1)
    n++;
  CHECK (strstr (line, text) != NULL);
}

/* By a QEMU that does not show its graph. */
static void
peer_shares_disks (int fd)
{
  shake_hands (fd);
  hear_text (fd, "\"/machine/peripheral\"");
  say (fd, "{\"return\": [{\"name\": \"b\", \"type\": "
       "\"child<scsi-block>\"}, {\"name\": \"c\", \"type\": "
       "\"child<scsi-generic>\"}, {\"name\": \"d\", \"type\": "
       "\"child<scsi-hd>\"}], \"id\": 3}\r\n");
  hear_text (fd, "\"/machine/peripheral/a/virtio-backend\"");
  say (fd, "{\"return\": true, \"id\": 4}\r\n");
  hear_text (fd, "\"/machine/peripheral/b\"");
  say (fd, "{\"return\": false, \"id\": 5}\r\n");
  hear (fd);
  say (fd, "{\"error\": {\"desc\": \"no\"}, \"id\": 6}\r\n");
  hear (fd);
  say (fd, "{\"return\": false, \"id\": 7}\r\n");
  hear (fd);
}

/* Of nodes, empty drives and read-only disks nobody asks. */
static void
test_unseen_writes (void)
{
  struct qmp_disk list[] = {
    { .qdev = (char *) "" },
    { .qdev = (char *) "/machine/peripheral/a/virtio-backend" },
    { .qdev = (char *) "/machine/peripheral/b" },
    { .qdev = (char *) "cd", .empty = true },
    { .qdev = (char *) "r", .read_only = true },
    { .qdev = (char *) "c" },
    { .qdev = (char *) "d" }
  };
  struct qmp_disks disks = { .disks = list, .n = 7 };
  struct failure why = { .error = 0 };
  struct peer peer;
  struct qmp *qmp = open_with (&peer, peer_shares_disks);

  CHECK_OK (qmp_device_look (qmp, &disks, &why), &why);
  CHECK (list[0].unseen == NULL && list[3].unseen == NULL &&
         list[4].unseen == NULL && list[6].unseen == NULL);
  CHECK (g_str_has_prefix (list[1].unseen, "shareable"));
  CHECK (g_str_has_prefix (list[2].unseen, "passed through"));
  CHECK (g_str_has_prefix (list[5].unseen, "passed through"));
  CHECK_FAILS (qmp_device_look (qmp, &disks, &why), ENOTCONN, &why, "closed");
  qmp_close (qmp);
  end_peer (&peer);
}

int
main (void)
{
  make_peer_folder ();
  test_node_exists ();
  test_bitmap_is_below ();
  test_disks_of_the_dying ();
  test_unseen_writes ();
  return 0;
}
