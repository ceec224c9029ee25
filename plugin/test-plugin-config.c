/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <stdio.h>
#include <string.h>

#include "plugin-config.h"

static int failures;

/* Parameters up to NULL; the first failure's sentence, or "". */
static void
check (const char *const *parameters, const char *want)
{
  struct plugin_config config = { 0 };
  struct failure why = { 0 };
  int r = 0;

  for (; *parameters != NULL && r == 0; parameters += 2)
    r = plugin_config_set (&config, parameters[0], parameters[1], &why);
  if (r == 0)
    r = plugin_config_check (&config, &why);
  if ((r == 0) != (want == NULL) ||
      (want != NULL && strstr (why.text, want) == NULL)) {
    fprintf (stderr, "wanted \"%s\", got %d \"%s\"\n",
             want == NULL ? "success" : want, r, why.text);
    failures++;
  }
  plugin_config_free (&config);
}

#define CHECK(want, ...) \
  check ((const char *const[]) { __VA_ARGS__, NULL }, want)
#define VIEW "role", "view", "fleece", "/f", "disk", "vda"
#define RESTORE "role", "restore", "disk", "vda"

static void
check_right (void)
{
  CHECK (NULL, "role", "sink", "fleece", "/f", "disk", "vda", "disk", "vdb");
  CHECK (NULL, "role", "sink", "fleece", "/f", "maps", "/m", "client-pid", "7",
         "write-limit", "0", "disk", "vda");
  CHECK (NULL, VIEW, "direct", "/x");
  CHECK (NULL, VIEW, "direct", "/x", "pace", "/p", "limit", "/a", "limit", "/b");
  CHECK (NULL, "role", "sink", "fleece", "/f", "disk", "vda", "pace", "/p");
  CHECK (NULL, VIEW, "direct-fd", "3", "direct-id", "file:1:2");
  CHECK (NULL, VIEW, "chain", "qcow2:3:file:1:2", "relay", "nbd://x");
  CHECK (NULL, VIEW, "relay", "nbd://x", "chain", "qcow2:3:file:1:2");
  CHECK (NULL, VIEW, "relay", "nbd://x", "relay-cluster", "0");
  CHECK (NULL, VIEW, "relay-cluster", "2097152", "relay", "nbd://x");
  CHECK (NULL, VIEW, "chain-path", "qcow2:/x", "direct-io", "yes");
  CHECK (NULL, VIEW, "direct", "/x", "direct-io", "yes", "bitmap", "dirty",
         "bitmap", "mon", "disk", "vdb", "relay", "nbd://x", "bitmap", "mon");
}

static void
check_client_pid (void)
{
  CHECK ("client-pid= is given twice", "role", "sink", "client-pid", "1",
         "client-pid", "1");
  CHECK ("number of a process", "role", "sink", "client-pid", "0");
  CHECK ("number of a process", "role", "sink", "client-pid", "me");
  CHECK ("client-pid= is only for role=sink", "role", "view", "client-pid",
         "1");
}

static void
check_relay_cluster (void)
{
  CHECK ("relay-cluster= needs relay", VIEW, "relay-cluster", "0", "direct",
         "/x");
  CHECK ("relay-cluster= needs relay", VIEW, "relay-cluster", "0", "relay",
         "nbd://x", "chain", "qcow2:3:file:1:2");
  CHECK ("relay-cluster= is given twice", VIEW, "relay-cluster", "0",
         "relay-cluster", "0");
  CHECK ("relay-cluster=3: must be", VIEW, "relay-cluster", "3");
  CHECK ("relay-cluster=: must be", VIEW, "relay-cluster", "");
}

static void
check_restore (void)
{
  CHECK (NULL, RESTORE, "target-fd", "3", "target-id", "file:1:2", "disk", "vdb",
         "target-id", "block:fd00", "target-fd", "4");
  CHECK ("disk vda needs target-fd=N and target-id=ID", RESTORE);
  CHECK ("disk vda needs target-fd=N and target-id=ID", RESTORE, "target-fd",
         "3");
  CHECK ("disk vda needs target-fd=N and target-id=ID", RESTORE, "target-id",
         "file:1:2");
  CHECK ("target-fd=2: must be", RESTORE, "target-fd", "2");
  CHECK ("target-fd= is given twice", RESTORE, "target-fd", "3", "target-fd",
         "3");
  CHECK ("must come after the disk=", "role", "restore", "target-fd", "3");
  CHECK ("target-fd= is only for role=restore", VIEW, "target-fd", "3");
  CHECK ("fleece= is not for role=restore", "role", "restore", "fleece", "/f");
  CHECK ("consume= is not for role=restore", "role", "restore", "consume",
         "yes");
  CHECK ("direct= is only for role=view", RESTORE, "direct", "/x");
  CHECK ("pace= is not for role=restore", RESTORE, "pace", "/x");
}

static void
check_wrong (void)
{
  CHECK ("role=sink, role=view or role=restore is required", NULL);
  CHECK ("role must be", "role", "other");
  CHECK ("role= is given twice", "role", "sink", "role", "sink");
  CHECK ("role= must be the first", "fleece", "/f");
  CHECK ("fleece=FOLDER is required", "role", "sink", "disk", "a");
  CHECK ("fleece= is empty", "role", "sink", "fleece", "");
  CHECK ("write-limit= is given twice", "role", "sink", "write-limit", "1",
         "write-limit", "1");
  CHECK ("number of milliseconds", "role", "sink", "write-limit", "-1");
  CHECK ("number of milliseconds", "role", "sink", "write-limit", "1s");
  CHECK ("number of milliseconds", "role", "sink", "write-limit", "");
  CHECK ("number of milliseconds", "role", "sink", "write-limit", "2147483648");
  CHECK ("write-limit= is only for role=sink", "role", "view", "write-limit",
         "1");
  CHECK ("disk=NAME is required", "role", "sink", "fleece", "/f");
  CHECK ("disk=a/b: not a valid", "role", "sink", "disk", "a/b");
  CHECK ("disk=.a: not a valid", "role", "sink", "disk", ".a");
  CHECK ("disk=a@b: not a valid", "role", "sink", "disk", "a@b");
  CHECK ("disk=: not a valid", "role", "sink", "disk", "");
  CHECK ("disk=a is given twice", "role", "sink", "disk", "a", "disk", "a");
  CHECK ("direct= is only for role=view", "role", "sink", "disk", "a",
         "direct", "/x");
  CHECK ("direct= must come after", "role", "view", "direct", "/x");
  CHECK ("direct= is given twice", VIEW, "direct", "/x", "direct", "/y");
  CHECK ("disk vda needs one of", VIEW);
  CHECK ("disk vda needs one of", VIEW, "direct", "/x", "relay", "nbd://x");
  CHECK ("disk vda needs one of", VIEW, "direct", "/x", "direct-fd", "3");
  CHECK ("disk vda needs one of", VIEW, "chain", "qcow2:3:x", "direct", "/x");
  CHECK ("chain= is given twice", VIEW, "chain", "qcow2:3:x", "chain", "raw:3:x");
  CHECK ("relay= is given twice", VIEW, "relay", "nbd://x", "chain",
         "qcow2:3:file:1:2", "relay", "nbd://y");
  CHECK ("direct-io=yes needs direct", VIEW, "chain", "qcow2:3:x",
         "direct-io", "yes");
  CHECK ("direct-fd= is given twice", VIEW, "direct-fd", "3", "direct-fd",
         "4");
  CHECK ("direct-fd=2: must be", VIEW, "direct-fd", "2");
  CHECK ("direct-fd=3x: must be", VIEW, "direct-fd", "3x");
  CHECK ("direct-fd=-1: must be", VIEW, "direct-fd", "-1");
  CHECK ("need each other", VIEW, "direct-fd", "3");
  CHECK ("need each other", VIEW, "direct", "/x", "direct-id", "file:1:2");
  CHECK ("direct-io=yes needs direct", VIEW, "direct-fd", "3", "direct-id",
         "file:1:2", "direct-io", "yes");
  CHECK ("direct-io=on: must be", VIEW, "direct", "/x", "direct-io", "on");
  CHECK ("direct-io=yes needs direct", VIEW, "relay", "nbd://x",
         "direct-io", "yes");
  CHECK ("bitmap=a b of disk vda", VIEW, "bitmap", "a b");
  CHECK ("bitmap=a of disk vda is given twice", VIEW, "bitmap", "a", "bitmap",
         "a");
  CHECK (NULL, "role", "sink", "fleece", "/f", "outlive-parent", "yes", "disk",
         "a");
  CHECK ("outlive-parent=1: must be", "role", "sink", "outlive-parent", "1");
  CHECK ("pace= must come after", "role", "view", "pace", "/p");
  CHECK ("pace= is given twice", VIEW, "pace", "/p", "pace", "/p");
  CHECK ("limit= is only for role=view", "role", "sink", "limit", "/p");
  CHECK ("limit= is given more than 4 times", VIEW, "limit", "/1", "limit",
         "/2", "limit", "/3", "limit", "/4", "limit", "/5");
  CHECK ("unknown parameter size=", "role", "view", "size", "1");
}

int
main (void)
{
  check_right ();
  check_client_pid ();
  check_relay_cluster ();
  check_restore ();
  check_wrong ();
  return failures != 0;
}
