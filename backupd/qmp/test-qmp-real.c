/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What backupd/qmp/ offers, against a real QEMU and a real
 * qemu-storage-daemon, as far as they are installed. */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "deadline.h"
#include "json-members.h"
#include "qmp-disk.h"
#include "qmp-export.h"
#include "qmp-graph.h"
#include "qmp-job.h"
#include "qmp-node.h"
#include "qmp-peer.h"
#include "qmp-transaction.h"
#include "socket.h"
#include "test-qmp-vm.h"
#include "test-qmp.h"

static unsigned n_events;
static const char *const jobs[] = { "nix", "job", NULL };

static struct qmp *
open_path (const char *path)
{
  int64_t deadline_ms = now_ms () + 30000;
  struct failure why = { .error = 0 };
  struct qmp *qmp;

  vm_wait_for_file (path);
  while (qmp_open (path, 20000, &qmp, &why) < 0) {
    CHECK (why.error == ECONNREFUSED && ms_left (deadline_ms) > 0);
    why.error = 0;
    poll (NULL, 0, 10);
  }
  return qmp;
}

static struct qmp *
open_qmp (void)
{
  struct failure why = { .error = 0 };
  struct qmp *qmp = open_path ("qmp.sock");
  uid_t uid;
  gid_t gid;
  pid_t pid;

  CHECK_OK (qmp_check_needed (qmp, &why), &why);
  CHECK (qmp_has_command (qmp, "job-cancel"));
  CHECK (!qmp_has_command (qmp, "job-cance"));
  CHECK (qmp_has_member (qmp, "job-cancel", "id"));
  CHECK (qmp_has_member (qmp, "transaction", "block-dirty-bitmap-merge"));
  CHECK (!qmp_has_member (qmp, "transaction", "reconnect-delay"));
  CHECK (qmp_has_member (qmp, "blockdev-add", "nbd.reconnect-delay"));
  CHECK (!qmp_has_member (qmp, "blockdev-add", "qcow2.reconnect-delay"));
  CHECK (qmp_peer (qmp, &uid, &gid, &pid) == 0);
  CHECK (uid == getuid () && gid == getgid () && pid > 0);
  return qmp;
}

static void
count_event (void *opaque, const char *event, json_object *data)
{
  CHECK (event != NULL);
  n_events++;
}

static struct qmp_disk *
find_disk (struct qmp_disks *disks, const char *name)
{
  size_t i;

  for (i = 0; i < disks->n; i++)
    if (strcmp (disks->disks[i].name, name) == 0)
      return &disks->disks[i];
  fprintf (stderr, "there is no disk %s\n", name);
  exit (1);
}

static void
check_vm_disks (struct qmp *qmp, const char *drive0_node)
{
  struct failure why = { .error = 0 };
  struct qmp_disks disks;
  struct qmp_disk *disk, one;

  CHECK_OK (qmp_disks_query (qmp, &disks, &why), &why);
  CHECK (disks.n == 4);
  disk = find_disk (&disks, "vda");
  CHECK (strcmp (disk->node, "raw-node") == 0 && disk->size == VM_DISK_SIZE);
  CHECK (strcmp (disk->driver, "raw") == 0 && !disk->can_persist_bitmaps);
  CHECK (!disk->empty && !disk->read_only);
  disk = find_disk (&disks, "drive0");
  CHECK (strcmp (disk->driver, "qcow2") == 0 && disk->can_persist_bitmaps);
  CHECK (strcmp (disk->device, "drive0") == 0 && disk->size == VM_DISK_SIZE);
  CHECK (drive0_node == NULL || strcmp (disk->node, drive0_node) == 0);
  CHECK_OK (qmp_disk_query (qmp, disk->node, "x", &one, &why), &why);
  CHECK (strcmp (one.name, "x") == 0 && one.size == VM_DISK_SIZE);
  CHECK (strcmp (one.node, disk->node) == 0);
  qmp_disk_clear (&one);
  disk = find_disk (&disks, "old-node");
  CHECK (disk->read_only && !disk->can_persist_bitmaps);
  disk = find_disk (&disks, "cd0");
  CHECK (disk->empty && disk->node[0] == '\0');
  qmp_disks_clear (&disks);
  CHECK_FAILS (qmp_disk_query (qmp, "nix", "x", &one, &why), ENOENT, &why,
               "'nix'");
  CHECK (why.class == FAILURE_DISK_NOT_FOUND);
}

/* Freezes NODE, with a target that does not answer from then on. */
static void
begin_stopped (struct qmp *qmp, const char *node, pid_t target)
{
  struct failure why = { .error = 0 };
  struct qmp_transaction *t = qmp_transaction_create ();

  CHECK_OK (qmp_node_add_nbd (qmp, "target", "target.sock", "", 2, &why), &why);
  CHECK (kill (target, SIGSTOP) == 0);
  qmp_transaction_bitmap_add (t, node, "b", 65536, false, false);
  qmp_transaction_bitmap_add (t, node, "t", 0, false, true);
  qmp_transaction_fleece (t, "job", node, "target", "filter");
  CHECK_OK (qmp_transaction_run (qmp, t, QMP_TIMEOUT_MS, &why), &why);
  qmp_transaction_destroy (t);
}

/* Begin as a backup does it; B on NODE records, T is a disabled copy. */
static void
begin (struct qmp *qmp, const char *node, bool persistent)
{
  struct failure why = { .error = 0 };
  struct qmp_transaction *t = qmp_transaction_create ();
  const char *const sources[] = { "b" };

  CHECK_OK (qmp_node_add_nbd (qmp, "target", "target.sock", "", 2, &why), &why);
  CHECK (qmp_node_exists (qmp, "target", &why) == 1);
  CHECK (qmp_transaction_is_empty (t));
  CHECK_OK (qmp_transaction_run (qmp, t, 1000, &why), &why);
  qmp_transaction_bitmap_add (t, node, "b", 65536, persistent, false);
  qmp_transaction_bitmap_add (t, node, "t", 0, false, true);
  qmp_transaction_bitmap_merge (t, node, "t", NULL, sources, 1);
  qmp_transaction_bitmap_disable (t, node, "b");
  qmp_transaction_bitmap_enable (t, node, "b");
  qmp_transaction_fleece (t, "job", node, "target", "filter");
  CHECK (!qmp_transaction_is_empty (t));
  CHECK_OK (qmp_transaction_run (qmp, t, QMP_TIMEOUT_MS, &why), &why);

  /* Once more: "b" is there already, nothing else happens. */
  CHECK_FAILS (qmp_transaction_run (qmp, t, QMP_TIMEOUT_MS, &why), EREMOTEIO,
               &why, "QEMU refused transaction: Bitmap already exists");
  CHECK (why.class == FAILURE_QMP);
  qmp_transaction_destroy (t);
}

static void
check_bitmaps (struct qmp *qmp, const char *node, bool persistent)
{
  struct failure why = { .error = 0 };
  const struct qmp_bitmap *b, *t;
  struct qmp_disk disk;

  CHECK_OK (qmp_disk_query (qmp, node, "x", &disk, &why), &why);
  b = qmp_disk_bitmap (&disk, "b");
  t = qmp_disk_bitmap (&disk, "t");
  CHECK (b != NULL && t != NULL && qmp_disk_bitmap (&disk, "u") == NULL);
  CHECK (b->recording && b->persistent == persistent && !b->inconsistent);
  CHECK (b->granularity == 65536 && !t->recording && !t->persistent);
  qmp_disk_clear (&disk);
}

static void
check_job (struct qmp *qmp, struct qmp_disk *disk, const char *want)
{
  struct failure why = { .error = 0 };
  CLEANUP_JSON json_object *graph = NULL, *all = NULL;
  char id[64];

  CHECK_OK (qmp_graph_load (qmp, &graph, &why), &why);
  CHECK_OK (qmp_job_of_device (qmp, graph, disk, id, sizeof id, &why), &why);
  CHECK (strcmp (id, want) == 0);
  CHECK_OK (qmp_job_list (qmp, &all, &why), &why);
  if (*want != '\0')
    CHECK (strcmp (qmp_job_status (all, want), "running") == 0);
  CHECK (qmp_job_status (all, "nix") == NULL);
}

static void
check_exports (struct qmp *qmp, const char *node)
{
  const char *const ids[] = { "e", "f", "nix", NULL };
  struct failure why = { .error = 0 };

  CHECK_OK (qmp_export_server_start (qmp, "nbd.sock", &why), &why);
  CHECK_FAILS (qmp_export_server_start (qmp, "nbd.sock", &why), EBUSY, &why,
               "is in use");
  CHECK (why.class == FAILURE_BUSY);
  CHECK_OK (qmp_export_add (qmp, "e", node, "disk", node, "t", &why), &why);
  CHECK_FAILS (qmp_export_add (qmp, "e", node, "other", NULL, NULL, &why), EREMOTEIO,
               &why, "block-export-add");
  CHECK_OK (qmp_export_remove (qmp, ids, 10000, &why), &why);
  CHECK_OK (qmp_export_remove (qmp, ids, 10000, &why), &why);
  CHECK_OK (qmp_export_add (qmp, "f", node, "disk", NULL, NULL, &why), &why);
  CHECK_OK (qmp_export_add (qmp, "e", node, "other", NULL, NULL, &why), &why);
  CHECK_OK (qmp_export_remove (qmp, ids, 10000, &why), &why);
  CHECK_OK (qmp_export_add (qmp, "f", node, "disk", NULL, NULL, &why), &why);
  CHECK_OK (qmp_export_remove (qmp, ids, 10000, &why), &why);
  CHECK_OK (qmp_export_server_stop (qmp, &why), &why);
  CHECK_OK (qmp_export_server_stop (qmp, &why), &why);
}

static bool
connects_to (const char *path)
{
  CLEANUP_FD int fd = -1;

  return socket_connect_unix (path, 0, &fd) == 0;
}

/* QEMU gets a copy of a socket at PATH, or of /dev/null, and this is what becomes of it. */
static int
start_on (struct qmp *qmp, const char *path, struct failure *why)
{
  CLEANUP_FD int fd = path == NULL ? open ("/dev/null", O_RDWR) : -1;

  CHECK (path == NULL || socket_listen_unix (path, &fd) == 0);
  return qmp_export_server_start_on (qmp, fd, "given", why);
}

static void
check_given_socket (struct qmp *qmp)
{
  struct failure why = { .error = 0 };

  CHECK (start_on (qmp, NULL, &why) == -EOPNOTSUPP && why.error == 0);
  /* qemu-storage-daemon lacks it. */
  if (!qmp_has_command (qmp, "getfd"))
    return;
  CHECK_OK (start_on (qmp, "given.sock", &why), &why);
  CHECK (connects_to ("given.sock"));
  /* The server has it, and QEMU no other. */
  CHECK_OK (qmp_export_server_forget (qmp, "given", &why), &why);
  CHECK (connects_to ("given.sock"));
  /* What a server does not take QEMU does not keep. */
  CHECK_FAILS (start_on (qmp, "taken.sock", &why), EBUSY, &why, "is in use");
  CHECK (!connects_to ("taken.sock"));
  CHECK_OK (qmp_export_server_stop (qmp, &why), &why);
  CHECK (!connects_to ("given.sock"));
  unlink ("given.sock");
  unlink ("taken.sock");
}

static void
end (struct qmp *qmp, const char *node)
{
  const char *const nodes[] = { "nix", "target", NULL };
  struct failure why = { .error = 0 };
  struct qmp_transaction *t = qmp_transaction_create ();

  CHECK_OK (qmp_job_end (qmp, jobs, 10000, NULL, NULL, &why), &why);
  CHECK_OK (qmp_job_end (qmp, jobs, 10000, NULL, NULL, &why), &why);
  CHECK_OK (qmp_node_remove_all (qmp, nodes, &why), &why);
  CHECK_OK (qmp_node_remove_all (qmp, nodes, &why), &why);
  CHECK_OK (qmp_node_remove (qmp, "target", &why), &why);
  CHECK (qmp_node_exists (qmp, "target", &why) == 0);
  qmp_transaction_bitmap_remove (t, node, "b");
  qmp_transaction_bitmap_remove (t, node, "t");
  CHECK_OK (qmp_transaction_run (qmp, t, QMP_TIMEOUT_MS, &why), &why);
  qmp_transaction_destroy (t);
}

/* The same VM as a QEMU with less to offer shows it. */
static struct qmp *
open_fake (const char *mode, pid_t **pid)
{
  unlink ("fake.sock");
  *pid = VM_START (PYTHON3, FAKE_QMP, "--listen", "fake.sock", "--real",
                "other.sock", (char *) mode);
  return open_path ("fake.sock");
}

static void
check_fakes (const char *node)
{
  struct failure why = { .error = 0 };
  pid_t *pid;
  struct qmp *qmp;

  qmp = open_fake ("no-command=x-debug-query-block-graph", &pid);
  check_vm_disks (qmp, node);
  qmp_close (qmp);
  vm_end_child (pid);
  qmp = open_fake ("no-member=blockdev-add,nbd.reconnect-delay", &pid);
  CHECK (!qmp_has_member (qmp, "blockdev-add", "nbd.reconnect-delay"));
  CHECK (qmp_has_member (qmp, "blockdev-add", "nbd.server"));
  qmp_close (qmp);
  vm_end_child (pid);
  qmp = open_fake ("no-command=block-export-add", &pid);
  CHECK_FAILS (qmp_check_needed (qmp, &why), EOPNOTSUPP, &why,
               "lacks block-export-add, which pullback needs to");
  qmp_close (qmp);
  vm_end_child (pid);
}

/* One freeze of NODE from begin to end; the list of disks stays the same. */
static void
freeze (struct qmp *qmp, const char *node, bool persistent, bool is_vm)
{
  const char *const nodes[] = { "target", "nix", NULL };
  struct failure why = { .error = 0 };
  struct qmp_disk disk;

  CHECK_OK (qmp_disk_query (qmp, node, "x", &disk, &why), &why);
  check_job (qmp, &disk, "");
  begin (qmp, node, persistent);
  check_bitmaps (qmp, node, persistent);
  check_job (qmp, &disk, "job");
  if (is_vm) {
    check_vm_disks (qmp, persistent ? node : NULL);
    check_fakes (persistent ? node : NULL);
  }
  check_exports (qmp, node);
  check_given_socket (qmp);
  CHECK_FAILS (qmp_node_remove (qmp, "target", &why), EREMOTEIO, &why,
               "in use");
  CHECK_FAILS (qmp_node_remove_all (qmp, nodes, &why), EREMOTEIO, &why,
               "in use");
  end (qmp, node);
  check_job (qmp, &disk, "");
  qmp_disk_clear (&disk);
}

/* The target dies: the job still ends, and so does a job that was told to end
 * by somebody else. */
static void
check_dead_target (struct qmp *qmp, const char *node, pid_t *target)
{
  struct failure why = { .error = 0 };
  json_object *arguments = json_object_new_object ();

  begin (qmp, node, false);
  json_add_string (arguments, "id", "job");
  CHECK_OK (qmp_call (qmp, "job-cancel", arguments, 10000, NULL, &why), &why);
  end (qmp, node);

  begin (qmp, node, false);
  vm_end_child (target);
  end (qmp, node);
}

/* Nanoseconds since vda has finished a request, -1 before its first write. */
static int64_t
idle_time (struct qmp *qmp)
{
  CLEANUP_JSON json_object *result = NULL;
  struct failure why = { .error = 0 };
  json_object *entry, *stats, *value;
  int64_t idle = -1;
  size_t i;

  CHECK_OK (qmp_call (qmp, "query-blockstats", NULL, 10000, &result, &why),
            &why);
  for (i = 0; i < json_object_array_length (result); i++) {
    entry = json_object_array_get_idx (result, i);
    stats = json_object_object_get (entry, "stats");
    value = json_object_object_get (stats, "wr_operations");
    if (json_object_get_int64 (value) > 0)
      idle = json_object_get_int64 (json_object_object_get (stats,
                                                            "idle_time_ns"));
  }
  return idle;
}

/* The target hangs with a guest write on its way there: QEMU's main loop waits
 * for it in job-cancel.  We do not. */
static void
check_stuck_target (struct qmp *qmp, const char *node)
{
  int64_t deadline_ms = now_ms () + 60000;
  struct failure why = { .error = 0 };
  pid_t *target = vm_start_target ();

  CHECK_OK (qmp_call (qmp, "cont", NULL, 10000, NULL, &why), &why);
  while (idle_time (qmp) < 0) {
    CHECK (ms_left (deadline_ms) > 0);
    poll (NULL, 0, 10);
  }
  begin_stopped (qmp, node, *target);
  while (idle_time (qmp) < 300000000) {
    CHECK (ms_left (deadline_ms) > 0);
    poll (NULL, 0, 10);
  }
  CHECK_FAILS (qmp_job_end (qmp, jobs, 500, NULL, NULL, &why), ETIMEDOUT, &why,
               "waits for the job's target");
  CHECK (why.class == FAILURE_TIMEOUT && !qmp_is_lost (qmp));
  CHECK (kill (*target, SIGCONT) == 0);
  end (qmp, node);
  vm_end_child (target);
}

static void
test_vm (void)
{
  struct failure why = { .error = 0 };
  struct qmp_disks disks;
  struct qmp *qmp;
  CLEANUP_FREE char *node = NULL;
  char text[64];
  pid_t *qemu = vm_start_qemu (), *target = vm_start_target ();

  qmp = open_qmp ();
  qmp_set_event_handler (qmp, count_event, NULL);
  CHECK_OK (qmp_uuid (qmp, text, sizeof text, &why), &why);
  CHECK (strcmp (text, "12345678-1234-1234-1234-123456789abc") == 0);

  check_vm_disks (qmp, NULL);
  CHECK_OK (qmp_disks_query (qmp, &disks, &why), &why);
  node = strdup (find_disk (&disks, "drive0")->node);
  qmp_disks_clear (&disks);
  freeze (qmp, "raw-node", false, true);
  freeze (qmp, node, true, true);
  check_dead_target (qmp, "raw-node", target);
  check_stuck_target (qmp, "raw-node");

  CHECK (qmp_dispatch (qmp) == 0 && n_events > 0);
  vm_end_child (qemu);
  while (qmp_dispatch (qmp) == 0)
    CHECK (poll (&(struct pollfd) { qmp_fd (qmp), POLLIN, 0 }, 1, 10000) == 1);
  CHECK (qmp_is_lost (qmp));
  CHECK_FAILS (qmp_job_end (qmp, jobs, 1000, NULL, NULL, &why), ENOTCONN, &why,
               "has closed it");
  qmp_close (qmp);
  vm_end_children ();
}

static void
test_storage_daemon (void)
{
  struct failure why = { .error = 0 };
  struct qmp_disks disks;
  struct qmp_disk *disk;
  struct qmp *qmp;
  char text[64] = "x";

  unlink ("qmp.sock");
  vm_start_target ();
  VM_START ("qemu-storage-daemon", "--chardev",
         "socket,id=c,path=qmp.sock,server=on,wait=off", "--monitor",
         "chardev=c", "--blockdev", "file,node-name=f,filename=raw.img",
         "--blockdev", "raw,node-name=raw-node,file=f", "--blockdev",
         "qcow2,node-name=new-node,file.driver=file,file.filename=new.qcow2");
  qmp = open_qmp ();
  CHECK_OK (qmp_uuid (qmp, text, sizeof text, &why), &why);
  CHECK (text[0] == '\0');
  CHECK_OK (qmp_disks_query (qmp, &disks, &why), &why);
  CHECK (disks.n == 2);
  disk = find_disk (&disks, "new-node");
  CHECK (disk->can_persist_bitmaps && disk->size == VM_DISK_SIZE);
  qmp_disks_clear (&disks);
  freeze (qmp, "raw-node", false, false);
  freeze (qmp, "new-node", true, false);
  begin (qmp, "new-node", true);
  CHECK_OK (qmp_disks_query (qmp, &disks, &why), &why);
  CHECK (disks.n == 2);
  find_disk (&disks, "new-node");
  find_disk (&disks, "raw-node");
  qmp_disks_clear (&disks);
  end (qmp, "new-node");
  qmp_close (qmp);
  vm_end_children ();
}

int
main (void)
{
  static const char *const programs[] = {
    "qemu-system-x86_64", "qemu-storage-daemon", "qemu-img", "nbdkit"
  };
  size_t i;

  for (i = 0; i < sizeof programs / sizeof programs[0]; i++)
    if (!vm_is_installed (programs[i])) {
      printf ("skipped: %s is not installed\n", programs[i]);
      return 77;
    }
  vm_make_images ();
  test_vm ();
  test_storage_daemon ();
  return 0;
}
