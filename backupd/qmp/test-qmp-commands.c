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

int
main (void)
{
  make_peer_folder ();
  test_node_exists ();
  return 0;
}
