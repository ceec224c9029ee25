/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What pullback cannot do is refused, not passed over: who asks for TLS, encryption or a
 * push must not believe to have it.  Only what changes neither the data nor who sees it (a
 * scratch file) is noted and left undone. */
#include <config.h>

#include <errno.h>
#include <string.h>

#include "name.h"
#include "socket.h"
#include "xml-backup.h"
#include "xml-input.h"
#include "xml-names.h"
#include "xml-output.h"

static void
disk_free (gpointer data)
{
  struct xml_backup_disk *disk = data;

  g_free (disk->name);
  g_free (disk->incremental);
  g_free (disk->export_name);
  g_free (disk->export_bitmap);
  g_free (disk->scratch);
  g_free (disk);
}

struct xml_backup *
xml_backup_create (void)
{
  struct xml_backup *backup = g_new0 (struct xml_backup, 1);

  backup->disks = g_ptr_array_new_with_free_func (disk_free);
  backup->notes = g_ptr_array_new_with_free_func (g_free);
  return backup;
}

void
xml_backup_destroy (struct xml_backup *backup)
{
  if (backup == NULL)
    return;
  g_ptr_array_unref (backup->disks);
  g_ptr_array_unref (backup->notes);
  g_free (backup->incremental);
  g_free (backup->socket);
  g_free (backup->address);
  g_free (backup);
}

struct xml_backup_disk *
xml_backup_add_disk (struct xml_backup *backup, const char *name)
{
  struct xml_backup_disk *disk = g_new0 (struct xml_backup_disk, 1);

  disk->name = g_strdup (name);
  disk->backup = true;
  g_ptr_array_add (backup->disks, disk);
  return disk;
}

static void G_GNUC_PRINTF (2, 3)
add_note (struct xml_backup *backup, const char *format, ...)
{
  va_list arguments;

  va_start (arguments, format);
  g_ptr_array_add (backup->notes, g_strdup_vprintf (format, arguments));
  va_end (arguments);
}

/* --- server --------------------------------------------------------- */

static int
read_unix (const xml_node *server, struct xml_backup *backup,
           struct failure *why)
{
  char *path = xml_attribute (server, "socket");

  backup->transport = XML_TRANSPORT_UNIX;
  backup->socket = path;
  if (path == NULL || path[0] != '/')
    return xml_bad_value (server, "socket", path,
                          "it must be an absolute path", why);
  if (strlen (path) > SOCKET_PATH_MAX)
    return xml_bad_value (server, "socket", path, "the path is too long for "
                          "a unix socket", why);
  return 0;
}

static int
read_tcp (const xml_node *server, struct xml_backup *backup,
          struct failure *why)
{
  g_autofree char *port = xml_attribute (server, "port");
  uint64_t number;

  backup->transport = XML_TRANSPORT_TCP;
  backup->address = xml_attribute (server, "name");
  if (backup->address != NULL &&
      (backup->address[0] == '\0' || strlen (backup->address) > 255 ||
       strpbrk (backup->address, " \t\n/[]") != NULL))
    return xml_bad_value (server, "name", backup->address,
                          "it is no host name or address", why);
  if (!xml_number (port, 65535, &number) || number == 0)
    return xml_bad_value (server, "port", port,
                          "a TCP port from 1 to 65535 must be given", why);
  backup->port = (unsigned) number;
  return 0;
}

static int
read_server (const xml_node *root, struct xml_backup *backup,
             struct failure *why)
{
  static const char *const transports[] = { "tcp", "unix", NULL };
  static const char *const answers[] = { "no", "yes", NULL };
  const xml_node *server = xml_child (root, "server");
  int transport, tls, r;

  if (server == NULL)
    return 0;
  r = xml_choice (server, "transport", transports, 0, &transport, why);
  if (r == 0)
    r = xml_choice (server, "tls", answers, 0, &tls, why);
  if (r < 0)
    return r;
  /* Nobody who asks for encryption may get a server without. */
  if (tls == 1)
    return xml_bad_value (server, "tls", "yes", "pullback does not encrypt "
                          "connections: leave it out and use a unix socket, "
                          "or a tunnel of your own", why);
  return transport == 0 ? read_tcp (server, backup, why)
                        : read_unix (server, backup, why);
}

/* --- disks ---------------------------------------------------------- */

static int
read_checkpoint_name (const xml_node *node, const char *attribute,
                      const char *name, struct failure *why)
{
  return name_is_checkpoint (name) ? 0
         : xml_bad_value (node, attribute, name,
                          "it is no checkpoint name", why);
}

static int
read_mode (const xml_node *node, const struct xml_backup *backup,
           struct xml_backup_disk *disk, struct failure *why)
{
  static const char *const modes[] = { "full", "incremental", NULL };
  int mode, r = xml_choice (node, "backupmode", modes, -1, &mode, why);

  disk->incremental = xml_attribute (node, "incremental");
  if (r == 0 && disk->incremental != NULL)
    r = read_checkpoint_name (node, "incremental", disk->incremental, why);
  if (r < 0)
    return r;
  disk->full = mode == 0;
  if (mode == 0 && disk->incremental != NULL)
    return xml_bad_value (node, "incremental", disk->incremental,
                          "it contradicts backupmode='full'", why);
  if (mode == 1 && disk->incremental == NULL && backup->incremental == NULL)
    return xml_bad_value (node, "backupmode", "incremental", "neither the "
                          "disk nor the backup names a checkpoint to start "
                          "from", why);
  return 0;
}

static bool
is_public_name (const char *name)
{
  const char *p;

  for (p = name; *p != '\0'; p++)
    if (g_ascii_iscntrl (*p) || *p == '@')
      return false;
  return p > name && p - name <= XML_EXPORT_NAME_MAX;
}

/* Attribute NAME, which clients see; *PUBLIC_NAME is NULL if there is none. */
static int
read_public_name (const xml_node *node, const char *name, char **public_name,
                  struct failure *why)
{
  g_autofree char *empty = g_strdup_printf (
    "give a name, or leave %s out to have the one that pullback gives", name);

  *public_name = xml_attribute (node, name);
  if (*public_name == NULL || is_public_name (*public_name))
    return 0;
  return xml_bad_value (node, name, *public_name, (*public_name)[0] == '\0'
                        ? empty : "at most 1000 bytes without '@' and control "
                        "characters", why);
}

/* What cannot be left undone. */
static int
refuse_children (const xml_node *disk, struct failure *why)
{
  const xml_node *target = xml_child (disk, "target");
  const xml_node *encryption =
    xml_child (xml_child (disk, "scratch"), "encryption");

  if (target != NULL)
    return xml_bad_value (target, NULL, NULL, "only a push backup has a "
                          "target; clients of a pull backup choose their own",
                          why);
  if (encryption != NULL)
    return xml_bad_value (encryption, NULL, NULL, "pullback does not encrypt "
                          "scratch files: leave it out, and start the daemon "
                          "with a --scratch-dir on encrypted storage", why);
  return 0;
}

/* pullback keeps old data in its own folder; a scratch file is only checked. */
static int
read_scratch (const xml_node *node, struct xml_backup *backup,
              struct xml_backup_disk *disk, struct failure *why)
{
  static const char *const types[] = { "file", "block", NULL };
  static const char *const drivers[] = { "qcow2", NULL };
  const xml_node *scratch = xml_child (node, "scratch");
  int type, ignored, r = xml_choice (node, "type", types, 0, &type, why);
  const char *attribute = type == 0 ? "file" : "dev";

  if (r == 0)
    r = refuse_children (node, why);
  if (r == 0)
    r = xml_choice (xml_child (node, "driver"), "type", drivers, 0, &ignored,
                    why);
  if (r < 0 || scratch == NULL)
    return r;
  disk->scratch = xml_attribute (scratch, attribute);
  if (disk->scratch == NULL || disk->scratch[0] != '/')
    return xml_bad_value (scratch, attribute, disk->scratch,
                          "it must be an absolute path", why);
  add_note (backup, "disk %s: <scratch> %s is not used; the daemon's scratch "
            "folder is", disk->name, disk->scratch);
  return 0;
}

static int
read_disk (const xml_node *node, struct xml_backup *backup,
           struct failure *why)
{
  static const char *const answers[] = { "no", "yes", NULL };
  static const char *const once[] = { "driver", "scratch", NULL };
  struct xml_backup_disk *disk;
  g_autofree char *name = NULL;
  int answer, r = xml_read_disk_name (node, &name, why);

  if (r == 0)
    r = xml_check_once (node, once, why);
  if (r == 0)
    r = xml_choice (node, "backup", answers, 1, &answer, why);
  if (r < 0)
    return r;
  disk = xml_backup_add_disk (backup, name);
  disk->backup = answer == 1;
  if (!disk->backup)
    return 0;
  r = read_mode (node, backup, disk, why);
  if (r == 0)
    r = read_public_name (node, "exportname", &disk->export_name, why);
  if (r == 0)
    r = read_public_name (node, "exportbitmap", &disk->export_bitmap, why);
  return r == 0 ? read_scratch (node, backup, disk, why) : r;
}

static int
read_disks (const xml_node *root, struct xml_backup *backup,
            struct failure *why)
{
  const xml_node *disks = xml_child (root, "disks"), *node;
  int r = 0;

  backup->has_disks = disks != NULL;
  for (node = xml_child (disks, "disk"); r == 0 && node != NULL;
       node = xml_next (node))
    r = read_disk (node, backup, why);
  return r;
}

/* --- the document --------------------------------------------------- */

static int
read_root (const xml_node *root, struct xml_backup *backup,
           struct failure *why)
{
  static const char *const once[] = { "incremental", "server", "disks", NULL };
  g_autofree char *mode = xml_attribute (root, "mode");
  int r;

  if (mode == NULL || strcmp (mode, "push") == 0)
    return failure_set (why, FAILURE_BAD_ARGUMENT, ENOTSUP,
                        "domainbackup has %s: only mode='pull' is supported, "
                        "where clients fetch the data over NBD",
                        mode == NULL ? "no mode, which means mode='push'"
                                     : "mode='push'");
  if (strcmp (mode, "pull") != 0)
    return xml_bad_value (root, "mode", mode, "it must be pull", why);
  r = xml_check_once (root, once, why);
  if (r < 0)
    return r;
  backup->incremental = xml_child_text (root, "incremental");
  if (backup->incremental != NULL)
    r = read_checkpoint_name (xml_child (root, "incremental"), NULL,
                              backup->incremental, why);
  if (r == 0)
    r = read_server (root, backup, why);
  return r == 0 ? read_disks (root, backup, why) : r;
}

int
xml_backup_parse (const char *text, struct xml_backup **ret,
                  struct failure *why)
{
  struct xml_backup *backup;
  xml_document *document = NULL;
  int r = xml_parse (text, strlen (text), "the backup XML", "domainbackup",
                     &document, why);

  if (r < 0)
    return r;
  backup = xml_backup_create ();
  r = read_root (xml_document_root (document), backup, why);
  xml_document_free (document);
  if (r < 0)
    xml_backup_destroy (backup);
  else
    *ret = backup;
  return r;
}

static void
write_server (struct xml_output *output, const struct xml_backup *backup)
{
  if (backup->transport == XML_TRANSPORT_DEFAULT)
    return;
  xml_open (output, "server");
  if (backup->transport == XML_TRANSPORT_UNIX) {
    xml_put (output, "transport", "unix");
    xml_put (output, "socket", backup->socket);
  } else {
    xml_put (output, "transport", "tcp");
    /* libvirt's schema wants one. */
    xml_put (output, "name",
             backup->address == NULL ? "localhost" : backup->address);
    xml_put_number (output, "port", backup->port);
  }
  xml_close (output);
}

static void
write_disk (struct xml_output *output, const struct xml_backup *backup,
            const struct xml_backup_disk *disk)
{
  const char *mode = disk->full ? "full"
                     : disk->incremental != NULL || backup->incremental != NULL
                     ? "incremental" : NULL;

  xml_open (output, "disk");
  xml_put (output, "name", disk->name);
  xml_put (output, "backup", disk->backup ? "yes" : "no");
  if (disk->backup) {
    xml_put (output, "type", "file");
    xml_put (output, "backupmode", mode);
    xml_put (output, "incremental", disk->incremental);
    xml_put (output, "exportname", disk->export_name);
    xml_put (output, "exportbitmap", disk->export_bitmap);
    if (disk->scratch != NULL) {
      xml_open (output, "scratch");
      xml_put (output, "file", disk->scratch);
      xml_close (output);
    }
  }
  xml_close (output);
}

char *
xml_backup_format (const struct xml_backup *backup)
{
  struct xml_output *output = xml_output_create ();
  guint i;

  xml_open (output, "domainbackup");
  xml_put (output, "mode", "pull");
  xml_put_element (output, "incremental", backup->incremental);
  write_server (output, backup);
  /* libvirt's schema has no empty <disks>. */
  if (backup->has_disks && backup->disks->len > 0) {
    xml_open (output, "disks");
    for (i = 0; i < backup->disks->len; i++)
      write_disk (output, backup, g_ptr_array_index (backup->disks, i));
    xml_close (output);
  }
  return xml_output_finish (output);
}
