/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One reader for what people give and what we wrote, so that a checkpoint means the
 * same in both.  It is strict with people, whose mistakes must not become a backup of
 * something else; a file of ours was right when it was written, and one that an earlier
 * daemon wrote must be readable for ever. */
#include <config.h>

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include <glib.h>

#include "catalog-document.h"
#include "name.h"
#include "xml-input.h"
#include "xml-names.h"
#include "xml-output.h"

#define WISH CATALOG_DOCUMENT_WISH
#define KNOWN CATALOG_DOCUMENT_KNOWN
#define STORED CATALOG_DOCUMENT_STORED

#define BITMAP_NAME_MAX 1023    /* QEMU's */

struct reader {
  enum catalog_document kind;
  const xml_node *own;          /* what libvirt has no word for; NULL: nothing, or it
                                 * is where an earlier form had it */
  struct checkpoint *c;
};

/* --- reading a disk ------------------------------------------------- */

/* What READER's document tells of disk NAME in our own words. */
static const xml_node *
find_own_disk (const struct reader *reader, const char *name)
{
  const xml_node *node = xml_own_child (reader->own, "disk");

  for (; node != NULL; node = xml_next (node)) {
    g_autofree char *its = xml_attribute (node, "name");

    if (g_strcmp0 (its, name) == 0)
      return node;
  }
  return NULL;
}

/* FROM: where the capacity is looked for.  Early stored documents had it as the
 * size of <disk> NODE. */
static int
read_capacity (const struct reader *reader, const xml_node *from, char *text,
               const xml_node *node, struct checkpoint_disk *disk,
               struct failure *why)
{
  g_autofree char *size =
    reader->kind == STORED ? xml_attribute (node, "size") : NULL;

  if (text != NULL)
    return xml_number (text, INT64_MAX, &disk->size) ? 0
           : xml_bad_value (from, "capacity", text,
                            "it must be a number of bytes", why);
  if (reader->kind == STORED)
    return xml_number (size, INT64_MAX, &disk->size) ? 0
           : xml_bad_value (node, "size", size, "a disk's size must be a "
                            "number of bytes", why);
  /* Who does not tell the capacity does not tell about gaps either: assume one.  All
   * of the disk counts as grown since then. */
  disk->gap_before = true;
  return 0;
}

/* Documents of an earlier form have it in <disk> NODE itself. */
static int
read_disk_history (const struct reader *reader, const xml_node *node,
                   struct checkpoint_disk *disk, struct failure *why)
{
  const xml_node *own = find_own_disk (reader, disk->name);
  char *(*get) (const xml_node *, const char *) =
    own == NULL ? xml_own_attribute : xml_attribute;
  const xml_node *from = own == NULL ? node : own;
  g_autofree char *capacity = get (from, "capacity");
  g_autofree char *gap = get (from, "gap-before");

  if (reader->kind == STORED)
    disk->source = get (from, "source");
  disk->lost = get (from, "lost");
  /* Anything but a plain "no" counts as yes, the careful side. */
  disk->gap_before = gap != NULL && strcmp (gap, "no") != 0;
  return read_capacity (reader, from, capacity, node, disk, why);
}

/* Takes BITMAP over, the attribute of NODE. */
static int
read_bitmap (const struct reader *reader, const xml_node *node, char *bitmap,
             struct checkpoint_disk *disk, struct failure *why)
{
  const char *name = reader->c->name;

  if (bitmap == NULL && reader->kind != WISH)
    bitmap = g_strdup (name);
  disk->bitmap = bitmap;
  if (reader->kind != STORED && bitmap != NULL &&
      g_strcmp0 (bitmap, name) != 0)
    return xml_bad_value (node, "bitmap", bitmap, "it must be the name of the "
                          "checkpoint", why);
  if (bitmap != NULL &&
      (bitmap[0] == '\0' || strlen (bitmap) > BITMAP_NAME_MAX))
    return xml_bad_value (node, "bitmap", bitmap, "it is no bitmap's name",
                          why);
  return 0;
}

static int
read_disk (const struct reader *reader, const xml_node *node,
           struct failure *why)
{
  static const char *const kinds[] = { "no", "bitmap", NULL };
  struct checkpoint_disk *disk;
  g_autofree char *name = NULL;
  int kind, r = xml_read_disk_name (node, &name, why);

  if (r == 0)
    r = xml_choice (node, "checkpoint", kinds, 1, &kind, why);
  if (r < 0 || (kind == 0 && reader->kind != WISH))
    return r;
  if (reader->kind == STORED && !name_is_disk (name))
    return xml_bad_value (node, "name", name, "it is no disk name", why);
  disk = catalog_checkpoint_add_disk (reader->c, name);
  disk->left_out = kind == 0;
  if (disk->left_out)
    return 0;
  r = read_bitmap (reader, node, xml_attribute (node, "bitmap"), disk, why);
  return r < 0 || reader->kind == WISH ? r
         : read_disk_history (reader, node, disk, why);
}

/* --- reading the rest ----------------------------------------------- */

static int
read_time (const xml_node *root, struct checkpoint *c, struct failure *why)
{
  g_autofree char *text = xml_child_text (root, "creationTime");
  uint64_t number;

  if (text == NULL)
    return xml_bad_value (root, NULL, NULL,
                          "a redefinition needs <creationTime>", why);
  if (!xml_number (text, INT64_MAX, &number))
    return xml_bad_value (xml_child (root, "creationTime"), NULL, text,
                          "it must be a number of seconds since 1970", why);
  c->creation_time = (int64_t) number;
  return 0;
}

static int
read_history (const xml_node *root, struct checkpoint *c, struct failure *why)
{
  const xml_node *parent = xml_child (root, "parent");

  if (c->name == NULL)
    return xml_bad_value (root, NULL, NULL, "a redefinition needs <name>",
                          why);
  if (parent != NULL) {
    c->parent = xml_child_text (parent, "name");
    if (c->parent == NULL || !name_is_checkpoint (c->parent))
      return xml_bad_value (parent, NULL, c->parent, "its <name> must be "
                            "that of a checkpoint", why);
    if (strcmp (c->parent, c->name) == 0)
      return xml_bad_value (parent, NULL, c->parent, "a checkpoint cannot be "
                            "its own parent", why);
  }
  c->domain_uuid = xml_child_text (xml_child (root, "domain"), "uuid");
  return read_time (root, c, why);
}

/* Documents of an earlier form have it in the ROOT itself. */
static int
read_own (const struct reader *reader, const xml_node *root,
          struct failure *why)
{
  const xml_node *from = reader->own == NULL ? root : reader->own;
  const xml_node *state = xml_own_child (from, "state");
  g_autofree char *text = xml_text (state);
  struct checkpoint *c = reader->c;

  c->consumer = xml_text (xml_own_child (from, "consumer"));
  c->boot_id = xml_text (xml_own_child (from, "boot-id"));
  if (c->consumer != NULL && !name_is_checkpoint (c->consumer))
    return xml_bad_value (xml_own_child (from, "consumer"), NULL, c->consumer,
                          "it is no consumer's name", why);
  if (reader->kind == STORED && text != NULL &&
      !catalog_checkpoint_read_state (text, &c->state))
    return xml_bad_value (state, NULL, text, "a state is tentative, committed "
                          "or deleting", why);
  return 0;
}

static int
read_disks (const struct reader *reader, const xml_node *root,
            struct failure *why)
{
  const xml_node *disks = xml_child (root, "disks"), *node;
  int r = 0;

  reader->c->has_disks = disks != NULL;
  for (node = xml_child (disks, "disk"); r == 0 && node != NULL;
       node = xml_next (node))
    r = read_disk (reader, node, why);
  if (r == 0 && disks == NULL && reader->kind != WISH)
    r = xml_bad_value (root, NULL, NULL, "a redefinition needs <disks>", why);
  return r;
}

int
catalog_document_check_description (const char *text, struct failure *why)
{
  size_t length = text == NULL ? 0 : strlen (text);

  return length <= CATALOG_DESCRIPTION_MAX ? 0
         : failure_set (why, FAILURE_BAD_ARGUMENT, E2BIG,
                        "the description of a checkpoint has at most %d "
                        "bytes, and this one has %zu: shorten it",
                        CATALOG_DESCRIPTION_MAX, length);
}

static int
read_root (struct reader *reader, const xml_node *root, struct failure *why)
{
  static const char *const once[] = {
    "name", "description", "parent", "creationTime", "disks", "domain", NULL
  };
  struct checkpoint *c = reader->c;
  const xml_node *domain = xml_child (root, "domain");
  int r = reader->kind == STORED ? 0 : xml_check_once (root, once, why);

  if (r < 0)
    return r;
  c->name = xml_child_text (root, "name");
  if (c->name != NULL && !name_is_checkpoint (c->name))
    return xml_bad_value (xml_child (root, "name"), NULL, c->name, "a "
                          "checkpoint's name has letters, digits, '_', '-' "
                          "and '.', no leading '.', and at most 200", why);
  c->description = xml_text (xml_child (root, "description"));
  if (reader->kind != STORED)
    r = catalog_document_check_description (c->description, why);
  reader->own = xml_own_child (xml_child (domain, "metadata"), "checkpoint");
  if (reader->kind != WISH && r == 0)
    r = read_history (root, c, why);
  if (reader->kind != WISH && r == 0)
    r = read_own (reader, root, why);
  return r == 0 ? read_disks (reader, root, why) : r;
}

static int
parse (enum catalog_document kind, const char *text, size_t length,
       const char *where, struct checkpoint **ret, struct failure *why)
{
  xml_document *document = NULL;
  struct reader reader = { .kind = kind };
  int r = xml_parse (text, length, where, "domaincheckpoint", &document, why);

  if (r < 0)
    return r;
  reader.c = catalog_checkpoint_create ();
  r = read_root (&reader, xml_document_root (document), why);
  xml_document_free (document);
  if (r < 0)
    catalog_checkpoint_destroy (reader.c);
  else
    *ret = reader.c;
  return r;
}

int
catalog_document_parse (enum catalog_document kind, const char *text,
                        struct checkpoint **c, struct failure *why)
{
  return parse (kind, text, strlen (text), "the checkpoint XML", c, why);
}

int
catalog_document_parse_stored (const char *text, size_t length,
                               const char *where, struct checkpoint **c,
                               struct failure *why)
{
  struct failure fault = { .error = 0 };
  struct checkpoint *read;
  int r = parse (STORED, text, length, where, &read, &fault);

  if (r < 0)
    return failure_set (why, FAILURE_STORAGE, -r, "%s is not a usable "
                        "checkpoint: %s", where, fault.text);
  /* What the file does not tell is as a copy has it. */
  *c = catalog_checkpoint_copy (read);
  catalog_checkpoint_destroy (read);
  return 0;
}

/* --- writing -------------------------------------------------------- */

static void
write_disk (struct xml_output *output, const struct checkpoint *c,
            const struct checkpoint_disk *disk)
{
  xml_open (output, "disk");
  xml_put (output, "name", disk->name);
  xml_put (output, "checkpoint", disk->left_out ? "no" : "bitmap");
  if (!disk->left_out)
    xml_put (output, "bitmap", disk->bitmap != NULL ? disk->bitmap : c->name);
  if (disk->has_changed)
    xml_put_number (output, "size", disk->changed);
  xml_close (output);
}

static void
write_history (struct xml_output *output, const struct checkpoint *c)
{
  char created[32];

  if (c->parent != NULL) {
    xml_open (output, "parent");
    xml_put_element (output, "name", c->parent);
    xml_close (output);
  }
  g_snprintf (created, sizeof created, "%" PRId64, c->creation_time);
  xml_put_element (output, "creationTime", created);
}

static void
write_own_disk (struct xml_output *output, enum catalog_document kind,
                const struct checkpoint_disk *disk)
{
  xml_open (output, "pullback:disk");
  xml_put (output, "name", disk->name);
  xml_put_number (output, "capacity", disk->size);
  if (disk->gap_before)
    xml_put (output, "gap-before", "yes");
  if (kind == STORED)
    xml_put (output, "source", disk->source);
  xml_put (output, "lost", disk->lost);
  xml_close (output);
}

/* libvirt's schema wants a type; which one says nothing about a backup. */
static void
write_domain (struct xml_output *output, enum catalog_document kind,
              const struct checkpoint *c, const char *domain)
{
  xml_open (output, "domain");
  xml_put (output, "type", "qemu");
  xml_put_element (output, "name", domain);
  xml_put_element (output, "uuid", g_strcmp0 (c->domain_uuid, "") == 0
                                   ? NULL : c->domain_uuid);
  xml_open (output, "metadata");
  xml_open (output, "pullback:checkpoint");
  xml_put (output, "xmlns:pullback", XML_OWN_NAMESPACE);
  xml_put_element (output, "pullback:state",
                   catalog_checkpoint_state (c->state));
  xml_put_element (output, "pullback:consumer", c->consumer);
  xml_put_element (output, "pullback:boot-id", c->boot_id);
  for (size_t i = 0; i < c->n_disks; i++)
    if (!c->disks[i].left_out)
      write_own_disk (output, kind, &c->disks[i]);
}

char *
catalog_document_format (enum catalog_document kind,
                         const struct checkpoint *c, const char *domain)
{
  struct xml_output *output = xml_output_create ();

  xml_open (output, "domaincheckpoint");
  xml_put_element (output, "name", c->name);
  xml_put_element (output, "description", c->description);
  if (kind != WISH)
    write_history (output, c);
  /* libvirt's schema has no empty <disks>. */
  if (kind == STORED || c->n_disks > 0) {
    xml_open (output, "disks");
    for (size_t i = 0; i < c->n_disks; i++)
      write_disk (output, c, &c->disks[i]);
    xml_close (output);
  }
  if (kind == STORED || (kind == KNOWN && domain != NULL))
    write_domain (output, kind, c, domain);
  return xml_output_finish (output);
}
