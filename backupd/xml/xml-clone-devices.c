/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Two machines that run at once must not answer to one address, listen at one port or socket, or
 * write to one file.  A device that can be had once only, as one of the host's, stays: libvirt
 * refuses the second machine that is started with it. */
#include <config.h>

#include <string.h>

#include "xml-clone-private.h"

struct work {
  const struct xml_clone *wanted;
  GPtrArray *notes;
  GPtrArray *files;             /* of the other machine that have been met; char * */
  GHashTable *told;             /* which notes have been made; static keys */
};

static void
note_once (struct work *work, const char *text)
{
  if (g_hash_table_add (work->told, (gpointer) text))
    g_ptr_array_add (work->notes, g_strdup (text));
}

/* --- the network ------------------------------------------------------------------ */

/* QEMU's own prefix; others would be those of hardware. */
static char *
new_mac (void)
{
  guint32 random = g_random_int ();

  return g_strdup_printf ("52:54:00:%02x:%02x:%02x", random & 0xff,
                          random >> 8 & 0xff, random >> 16 & 0xff);
}

static void
renew_interface (struct work *work, xml_node *node)
{
  g_autofree char *mac = new_mac ();
  xml_node *target = xml_edit_first (node, "target");
  xml_node *parameters =
    xml_edit_first (xml_edit_first (node, "virtualport"), "parameters");

  /* Else it asks for the one that it had. */
  xml_edit_attribute (xml_edit_need (node, "mac"), "address", mac);
  xml_edit_attribute (xml_edit_first (node, "mac"), "type", NULL);
  xml_edit_attribute (target, "dev", NULL);
  xml_edit_attribute (xml_edit_first (node, "source"), "portid", NULL);
  xml_edit_attribute (parameters, "interfaceid", NULL);
  xml_edit_attribute (parameters, "instanceid", NULL);
  if (xml_edit_is (node, "type", "vhostuser"))
    note_once (work, "an interface of the type vhostuser stays with its "
               "socket: give it another one");
  else if (xml_edit_is (node, "type", "hostdev"))
    note_once (work, "a device of the host that is passed through stays: one "
               "machine at a time can have it");
}

static void
renew_graphics (struct work *work, xml_node *node)
{
  static const char *const ports[] = { "tlsPort", "socket", NULL };
  bool fixed = !xml_edit_is (node, "autoport", "yes") &&
               !xml_edit_is (node, "port", "-1");

  for (size_t i = 0; ports[i] != NULL; i++)
    xml_edit_attribute (node, ports[i], NULL);
  if (!xml_edit_is (node, "websocket", NULL))
    xml_edit_attribute (node, "websocket", "-1");
  if (!xml_edit_is (node, "port", NULL) ||
      !xml_edit_is (node, "autoport", NULL)) {
    xml_edit_attribute (node, "port", "-1");
    xml_edit_attribute (node, "autoport", "yes");
    if (fixed)
      note_once (work, "libvirt chooses the port of its display");
  }
  for (xml_node *listen = xml_edit_first (node, "listen"); listen != NULL;
       listen = xml_edit_next (listen, "listen"))
    xml_edit_attribute (listen, "socket", NULL);
}

static void
renew_vsock (struct work *work, xml_node *node)
{
  xml_node *cid = xml_edit_first (node, "cid");

  xml_edit_attribute (cid, "address", NULL);
  xml_edit_attribute (cid, "auto", "yes");
}

/* --- what QEMU writes to, or listens at ------------------------------------------- */

/* A serial port and the console that is the same one have one file. */
static guint
number_of (struct work *work, const char *path)
{
  guint i;

  for (i = 0; i < work->files->len; i++)
    if (strcmp (g_ptr_array_index (work->files, i), path) == 0)
      return i;
  g_ptr_array_add (work->files, g_strdup (path));
  return i;
}

/* In the place of the file or socket in NODE's ATTRIBUTE, which NODE may not have. */
static void
set_file (struct work *work, xml_node *node, const char *attribute,
          const char *kind)
{
  g_autofree char *old = xml_attribute (node, attribute);
  g_autofree char *name = NULL, *path = NULL;

  if (old == NULL)
    return;
  name = g_strdup_printf ("%s-%u.%s", work->wanted->name,
                          number_of (work, old), kind);
  path = g_build_filename (work->wanted->folder, name, NULL);
  xml_edit_attribute (node, attribute, path);
}

/* A character device: a serial port, a channel, or what has one as its backend. */
static void
renew_character (struct work *work, xml_node *node)
{
  xml_node *source = xml_edit_first (node, "source");
  bool listens = xml_edit_is (source, "mode", "bind");

  xml_edit_attribute (node, "tty", NULL);
  if (xml_edit_is (node, "type", "file"))
    set_file (work, source, "path", "log");
  else if (xml_edit_is (node, "type", "pty"))
    xml_edit_remove (source);
  else if (xml_edit_is (node, "type", "unix") && listens) {
    /* By their names libvirt chooses sockets for them. */
    if (strcmp (xml_edit_name (node), "channel") == 0)
      xml_edit_remove (source);
    else
      set_file (work, source, "path", "sock");
  }
  else if (listens)
    note_once (work, "a port at which one of its character devices listens "
               "stays: give it another one");
  set_file (work, xml_edit_first (node, "log"), "file", "log");
}

static void
renew_backend (struct work *work, xml_node *node)
{
  renew_character (work, xml_edit_first (node, "backend"));
}

/* --- what else is written to ------------------------------------------------------- */

/* By the UUID libvirt has a state for each machine. */
static void
renew_tpm (struct work *work, xml_node *node)
{
  xml_node *backend = xml_edit_first (node, "backend");

  if (!xml_edit_is (backend, "type", "emulator"))
    return;
  xml_edit_remove (xml_edit_first (backend, "source"));
  note_once (work, "its TPM is a new, empty one: what was sealed by the other "
             "needs its recovery key");
}

/* A disk by another name. */
static void
renew_memory (struct work *work, xml_node *node)
{
  if (xml_edit_is (node, "model", "dimm") ||
      xml_edit_first (xml_edit_first (node, "source"), "path") == NULL)
    return;
  note_once (work, "memory that is kept in a file (nvdimm) is left out of it");
  xml_edit_remove (node);
}

static void
renew_store (struct work *work, xml_node *node)
{
  xml_edit_remove (xml_edit_first (node, "path"));
}

static void
renew_hostdev (struct work *work, xml_node *node)
{
  note_once (work, "a device of the host that is passed through stays: one "
             "machine at a time can have it");
}

static void
renew_filesystem (struct work *work, xml_node *node)
{
  note_once (work, "a folder of the host that it shares stays: both machines "
             "see the same files");
}

/* --- all of them -------------------------------------------------------------------- */

static const struct {
  const char *name;
  void (*change) (struct work *work, xml_node *node);
} kinds[] = {
  { "interface", renew_interface },
  { "graphics", renew_graphics },
  { "vsock", renew_vsock },
  { "serial", renew_character },
  { "parallel", renew_character },
  { "console", renew_character },
  { "channel", renew_character },
  { "redirdev", renew_character },
  { "smartcard", renew_character },
  { "rng", renew_backend },
  { "tpm", renew_tpm },
  { "memory", renew_memory },
  { "pstore", renew_store },
  { "hostdev", renew_hostdev },
  { "filesystem", renew_filesystem },
};

void
xml_clone_devices (xml_node *devices, const struct xml_clone *wanted,
                   GPtrArray *notes)
{
  struct work work = {
    .wanted = wanted, .notes = notes,
    .files = g_ptr_array_new_with_free_func (g_free),
    .told = g_hash_table_new (g_str_hash, g_str_equal)
  };
  xml_node *node = xml_edit_first (devices, NULL), *next;

  for (; node != NULL; node = next) {
    next = xml_edit_next (node, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS (kinds); i++)
      if (strcmp (xml_edit_name (node), kinds[i].name) == 0) {
        kinds[i].change (&work, node);
        break;
      }
  }
  g_ptr_array_unref (work.files);
  g_hash_table_unref (work.told);
}
