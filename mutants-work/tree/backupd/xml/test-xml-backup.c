/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#undef NDEBUG
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "test-xml.h"
#include "xml-backup.h"

#define HEAD "<domainbackup mode='pull'>"
#define TAIL "</domainbackup>"
#define DISKS(inside) HEAD "<disks>" inside "</disks>" TAIL

static int
parse (const char *text, struct failure *why)
{
  struct xml_backup *backup = NULL;
  int r = xml_backup_parse (text, &backup, why);

  if (r == 0)
    xml_backup_destroy (backup);
  return r;
}

static const struct bad_document bad[] = {
  { "<domainbackup/>", "mode='push'" },
  { "<domainbackup mode='push'/>", "only mode='pull'" },
  { "<domainbackup mode='shove'/>", "domainbackup has mode='shove'" },
  { "<domaincheckpoint/>", "not a <domainbackup>" },
  { HEAD "<incremental>a b</incremental>" TAIL,
    "domainbackup/incremental is 'a b'" },
  { HEAD "<incremental/>" TAIL, "domainbackup/incremental" },
  { HEAD "<server transport='rdma'/>" TAIL, "transport='rdma'" },
  { HEAD "<server transport='fd' fdgroup='x'/>" TAIL, "transport='fd'" },
  { HEAD "<server transport='unix'/>" TAIL, "no attribute socket" },
  { HEAD "<server transport='unix' socket='a/b'/>" TAIL, "socket='a/b'" },
  { HEAD "<server transport='unix' socket='/1234567890/1234567890/1234567890/"
    "1234567890/1234567890/1234567890/1234567890/1234567890/1234567890/1234567"
    "890'/>" TAIL, "too long" },
  { HEAD "<server name='h'/>" TAIL, "no attribute port" },
  { HEAD "<server port='0'/>" TAIL, "port='0'" },
  { HEAD "<server port='65536'/>" TAIL, "port='65536'" },
  { HEAD "<server port='ten'/>" TAIL, "port='ten'" },
  { HEAD "<server name='a b' port='1'/>" TAIL, "name='a b'" },
  { HEAD "<server port='1' tls='yes'/>" TAIL, "does not encrypt" },
  { HEAD "<server transport='unix' socket='/x' tls='yes'/>" TAIL,
    "domainbackup/server has tls='yes'" },
  { HEAD "<server port='1' tls='maybe'/>" TAIL, "tls='maybe'" },
  { DISKS ("<disk/>"), "domainbackup/disks/disk has no attribute name" },
  { DISKS ("<disk name=''/>"), "name=''" },
  { DISKS ("<disk name='a/b'/>"), "name='a/b'" },
  { DISKS ("<disk name='vda'/><disk name='vda'/>"), "twice" },
  { DISKS ("<disk name='vda'/><disk name='vdb' backup='1'/>"),
    "disk 2 has backup='1'" },
  { DISKS ("<disk name='vda' backupmode='half'/>"), "backupmode='half'" },
  { DISKS ("<disk name='vda' backupmode='incremental'/>"),
    "names a checkpoint" },
  { DISKS ("<disk name='vda' backupmode='full' incremental='c'/>"),
    "contradicts" },
  { DISKS ("<disk name='vda' incremental='../x'/>"), "incremental='../x'" },
  { DISKS ("<disk name='vda' exportname=''/>"),
    "exportname='': give a name, or leave exportname out" },
  { DISKS ("<disk name='vda' exportbitmap=''/>"), "leave exportbitmap out" },
  { HEAD "<incremental>a</incremental><incremental>b</incremental>" TAIL,
    "domainbackup/incremental 2: there may be only one" },
  { HEAD "<server port='1'/><server port='2'/>" TAIL, "server 2" },
  { HEAD "<disks/><disks/>" TAIL, "domainbackup/disks 2" },
  { DISKS ("<disk name='vda'><scratch file='/x'/><scratch file='/y'/></disk>"),
    "disk/scratch 2" },
  { DISKS ("<disk name='vda'><driver/><driver type='raw'/></disk>"),
    "disk/driver 2" },
  { DISKS ("<disk name='vda' exportname='a@b'/>"), "exportname='a@b'" },
  { DISKS ("<disk name='vda' exportbitmap='a&#10;b'/>"), "exportbitmap" },
  { DISKS ("<disk name='vda' type='network'/>"), "type='network'" },
  { DISKS ("<disk name='vda'><driver type='raw'/></disk>"),
    "disk/driver has type='raw'" },
  { DISKS ("<disk name='vda'><scratch/></disk>"), "no attribute file" },
  { DISKS ("<disk name='vda'><scratch file='x'/></disk>"), "file='x'" },
  { DISKS ("<disk name='vda' type='block'><scratch file='/x'/></disk>"),
    "no attribute dev" },
  { DISKS ("<disk name='vda'><scratch file='/x'><encryption format='luks'/>"
           "</scratch></disk>"), "disk/scratch/encryption: " },
  { DISKS ("<disk name='vda' type='file'><target file='/x'/></disk>"),
    "disk/target: " },
  { NULL, NULL }
};

static struct xml_backup *
good (const char *text)
{
  struct failure why = { .error = 0 };
  struct xml_backup *backup = NULL;

  test_good (xml_backup_parse (text, &backup, &why), &why);
  return backup;
}

/* What was read, written and read again is the same. */
static void
round_trip (const struct xml_backup *backup)
{
  g_autofree char *once = xml_backup_format (backup), *twice = NULL;
  struct xml_backup *again = good (once);

  twice = xml_backup_format (again);
  assert (strcmp (once, twice) == 0);
  assert (again->disks->len == backup->disks->len);
  xml_backup_destroy (again);
}

static const struct xml_backup_disk *
disk_at (const struct xml_backup *backup, guint i)
{
  assert (i < backup->disks->len);
  return g_ptr_array_index (backup->disks, i);
}

static void
test_defaults (void)
{
  struct xml_backup *backup = good ("<domainbackup mode='pull'/>");

  assert (backup->transport == XML_TRANSPORT_DEFAULT && !backup->has_disks);
  assert (backup->incremental == NULL && backup->disks->len == 0);
  round_trip (backup);
  xml_backup_destroy (backup);
  backup = good (DISKS (""));
  assert (backup->has_disks && backup->disks->len == 0);
  round_trip (backup);
  xml_backup_destroy (backup);
  backup = good (HEAD "<server port='10809'/>" TAIL);
  assert (backup->transport == XML_TRANSPORT_TCP && backup->port == 10809);
  assert (backup->address == NULL);
  round_trip (backup);
  xml_backup_destroy (backup);
  /* Where a disk is left out, nothing else about it counts. */
  backup = good (DISKS ("<disk name='vda' backup='no' type='x' "
                        "exportname='@'/>"));
  assert (!disk_at (backup, 0)->backup);
  round_trip (backup);
  xml_backup_destroy (backup);
}

static void
test_documents (void)
{
  g_autofree char *pull = test_document ("pull-incremental.xml");
  g_autofree char *tcp = test_document ("pull-tcp.xml");
  struct xml_backup *backup = good (pull);

  assert (strcmp (backup->incremental, "1525889631") == 0);
  assert (backup->transport == XML_TRANSPORT_UNIX);
  assert (strcmp (backup->socket, "/run/backup/vm.sock") == 0);
  assert (backup->disks->len == 4 && disk_at (backup, 0)->backup);
  assert (strcmp (disk_at (backup, 0)->export_bitmap, "changed") == 0);
  assert (strcmp (disk_at (backup, 0)->scratch, "/var/tmp/vda.scratch") == 0);
  assert (!disk_at (backup, 1)->backup && disk_at (backup, 2)->full);
  assert (strcmp (disk_at (backup, 3)->name, "/images/data disk.img") == 0);
  assert (strcmp (disk_at (backup, 3)->incremental, "older") == 0);
  assert (backup->notes->len == 2);
  round_trip (backup);
  xml_backup_destroy (backup);
  backup = good (tcp);
  assert (backup->transport == XML_TRANSPORT_TCP && backup->port == 10809);
  assert (strcmp (backup->address, "localhost") == 0 && !backup->has_disks);
  round_trip (backup);
  xml_backup_destroy (backup);
}

static void
test_many_disks (void)
{
  GString *text = g_string_new (HEAD "<disks>");
  struct bad_document many[] = { { NULL, "more than 1024 disks" },
                                 { NULL, NULL } };

  for (int i = 0; i < 5000; i++)
    g_string_append_printf (text, "<disk name='d%d'/>", i);
  g_string_append (text, "</disks>" TAIL);
  many[0].text = text->str;
  test_bad_documents (many, parse);
  g_string_free (text, TRUE);
}

int
main (void)
{
  test_bad_documents (bad, parse);
  test_defaults ();
  test_documents ();
  test_many_disks ();
  return 0;
}
