/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "name.h"
#include "xml-checkpoint.h"
#include "xml-input.h"
#include "xml-names.h"
#include "xml-output.h"

static void
disk_free (gpointer data)
{
  struct xml_checkpoint_disk *disk = data;

  g_free (disk->name);
  g_free (disk->bitmap_name);
  g_free (disk->source);
  g_free (disk->lost);
  g_free (disk);
}

struct xml_checkpoint *
xml_checkpoint_create (void)
{
  struct xml_checkpoint *c = g_new0 (struct xml_checkpoint, 1);

  c->disks = g_ptr_array_new_with_free_func (disk_free);
  return c;
}

void
xml_checkpoint_destroy (struct xml_checkpoint *c)
{
  if (c == NULL)
    return;
  g_ptr_array_unref (c->disks);
  g_free (c->name);
  g_free (c->description);
  g_free (c->parent);
  g_free (c->domain_name);
  g_free (c->domain_uuid);
  g_free (c->consumer);
  g_free (c->state);
  g_free (c->boot_id);
  g_free (c);
}

struct xml_checkpoint_disk *
xml_checkpoint_add_disk (struct xml_checkpoint *c, const char *name)
{
  struct xml_checkpoint_disk *disk = g_new0 (struct xml_checkpoint_disk, 1);

  disk->name = g_strdup (name);
  disk->bitmap = true;
  g_ptr_array_add (c->disks, disk);
  return disk;
}

/* --- reading -------------------------------------------------------- */

/* Where ROOT's document tells what libvirt has no word for: in the metadata of
 * its domain; NULL: nowhere there. */
static const xml_node *
find_own (const xml_node *root)
{
  const xml_node *domain = xml_child (root, "domain");

  return xml_own_child (xml_child (domain, "metadata"), "checkpoint");
}

/* What OWN (may be NULL) tells of disk NAME. */
static const xml_node *
find_own_disk (const xml_node *own, const char *name)
{
  const xml_node *node = xml_own_child (own, "disk");

  for (; node != NULL; node = xml_next (node)) {
    g_autofree char *its = xml_attribute (node, "name");

    if (g_strcmp0 (its, name) == 0)
      return node;
  }
  return NULL;
}

static int
read_capacity (const xml_node *node, const char *text,
               struct xml_checkpoint_disk *disk, struct failure *why)
{
  if (text == NULL)
    return 0;
  disk->has_capacity = xml_number (text, INT64_MAX, &disk->capacity);
  return disk->has_capacity ? 0
         : xml_bad_value (node, "capacity", text,
                          "it must be a number of bytes", why);
}

/* What only a redefinition takes.  Documents of an earlier form have it in
 * <disk> NODE itself. */
static int
read_disk_history (const xml_node *node, const xml_node *own,
                   struct xml_checkpoint_disk *disk, struct failure *why)
{
  char *(*get) (const xml_node *, const char *) =
    own == NULL ? xml_own_attribute : xml_attribute;
  const xml_node *from = own == NULL ? node : own;
  g_autofree char *capacity = get (from, "capacity");
  g_autofree char *gap = get (from, "gap-before");

  disk->source = get (from, "source");
  disk->lost = get (from, "lost");
  /* Anything but a plain "no" counts as yes, the careful side. */
  disk->gap_before = gap != NULL && strcmp (gap, "no") != 0;
  return read_capacity (from, capacity, disk, why);
}

/* What a document is read for. */
enum use { USE_CREATE, USE_REDEFINE, USE_STORED };

static int
read_bitmap (const xml_node *node, const struct xml_checkpoint *c, enum use use,
             struct xml_checkpoint_disk *disk, struct failure *why)
{
  disk->bitmap_name = xml_attribute (node, "bitmap");
  if (use == USE_STORED || disk->bitmap_name == NULL ||
      g_strcmp0 (disk->bitmap_name, c->name) == 0)
    return 0;
  return xml_bad_value (node, "bitmap", disk->bitmap_name,
                        "it must be the name of the checkpoint", why);
}

/* An earlier form of stored documents had the capacity there. */
static void
read_size (const xml_node *node, struct xml_checkpoint_disk *disk)
{
  g_autofree char *size = xml_attribute (node, "size");

  disk->has_size = xml_number (size, INT64_MAX, &disk->size);
}

/* OWN: see find_own. */
static int
read_disk (const xml_node *node, const xml_node *own, enum use use,
           struct xml_checkpoint *c, struct failure *why)
{
  static const char *const kinds[] = { "no", "bitmap", NULL };
  struct xml_checkpoint_disk *disk;
  g_autofree char *name = NULL;
  int kind, r = xml_read_disk_name (node, &name, why);

  if (r == 0)
    r = xml_choice (node, "checkpoint", kinds, 1, &kind, why);
  if (r < 0)
    return r;
  disk = xml_checkpoint_add_disk (c, name);
  disk->bitmap = kind == 1;
  if (!disk->bitmap)
    return 0;
  r = read_bitmap (node, c, use, disk, why);
  if (use == USE_STORED)
    read_size (node, disk);
  if (r < 0 || use == USE_CREATE)
    return r;
  return read_disk_history (node, find_own_disk (own, name), disk, why);
}

static int
read_time (const xml_node *root, struct xml_checkpoint *c,
           struct failure *why)
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
  c->has_time = true;
  return 0;
}

static int
read_history (const xml_node *root, struct xml_checkpoint *c,
              struct failure *why)
{
  const xml_node *parent = xml_child (root, "parent");
  const xml_node *domain = xml_child (root, "domain");

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
  c->domain_name = xml_child_text (domain, "name");
  c->domain_uuid = xml_child_text (domain, "uuid");
  return read_time (root, c, why);
}

/* Documents of an earlier form have it in the ROOT itself. */
static int
read_own (const xml_node *root, struct xml_checkpoint *c, struct failure *why)
{
  const xml_node *own = find_own (root);
  const xml_node *from = own == NULL ? root : own;

  c->consumer = xml_text (xml_own_child (from, "consumer"));
  c->state = xml_text (xml_own_child (from, "state"));
  c->boot_id = xml_text (xml_own_child (from, "boot-id"));
  if (c->consumer != NULL && !name_is_checkpoint (c->consumer))
    return xml_bad_value (xml_own_child (from, "consumer"), NULL, c->consumer,
                          "it is no consumer's name", why);
  return 0;
}

static int
read_root (const xml_node *root, enum use use, struct xml_checkpoint *c,
           struct failure *why)
{
  const xml_node *disks = xml_child (root, "disks"), *node;
  int r = 0;

  c->name = xml_child_text (root, "name");
  if (c->name != NULL && !name_is_checkpoint (c->name))
    return xml_bad_value (xml_child (root, "name"), NULL, c->name, "a "
                          "checkpoint's name has letters, digits, '_', '-' "
                          "and '.', no leading '.', and at most 200", why);
  c->description = xml_text (xml_child (root, "description"));
  if (use != USE_CREATE)
    r = read_history (root, c, why);
  if (use != USE_CREATE && r == 0)
    r = read_own (root, c, why);
  c->has_disks = disks != NULL;
  for (node = xml_child (disks, "disk"); r == 0 && node != NULL;
       node = xml_next (node))
    r = read_disk (node, find_own (root), use, c, why);
  return r;
}

static int
parse (const char *text, size_t length, const char *where, enum use use,
       struct xml_checkpoint **ret, struct failure *why)
{
  struct xml_checkpoint *c;
  xml_document *document = NULL;
  int r = xml_parse (text, length, where, "domaincheckpoint", &document, why);

  if (r < 0)
    return r;
  c = xml_checkpoint_create ();
  r = read_root (xml_document_root (document), use, c, why);
  xml_document_free (document);
  if (r < 0)
    xml_checkpoint_destroy (c);
  else
    *ret = c;
  return r;
}

int
xml_checkpoint_parse (const char *text, bool redefine,
                      struct xml_checkpoint **ret, struct failure *why)
{
  return parse (text, strlen (text), "the checkpoint XML",
                redefine ? USE_REDEFINE : USE_CREATE, ret, why);
}

int
xml_checkpoint_parse_stored (const char *text, size_t length,
                             const char *where, struct xml_checkpoint **ret,
                             struct failure *why)
{
  return parse (text, length, where, USE_STORED, ret, why);
}

/* --- virsh's --diskspec --------------------------------------------- */

/* The text up to the next single comma, with double ones made one. */
static char *
next_word (const char **at)
{
  GString *word = g_string_new (NULL);
  const char *p = *at;

  for (; *p != '\0'; p++) {
    if (*p == ',' && p[1] != ',')
      break;
    if (*p == ',')
      p++;
    g_string_append_c (word, *p);
  }
  *at = *p == ',' ? p + 1 : NULL;
  return g_string_free (word, FALSE);
}

static int
bad_diskspec (const char *spec, const char *rule, struct failure *why)
{
  return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL,
                      "diskspec '%.100s': %s", spec, rule);
}

static int
read_spec_word (const char *word, const char *spec,
                const struct xml_checkpoint *c,
                struct xml_checkpoint_disk *disk, struct failure *why)
{
  if (strcmp (word, "checkpoint=no") == 0)
    disk->bitmap = false;
  else if (strcmp (word, "checkpoint=bitmap") == 0)
    disk->bitmap = true;
  else if (g_str_has_prefix (word, "bitmap=")) {
    if (g_strcmp0 (word + strlen ("bitmap="), c->name) != 0)
      return bad_diskspec (spec, "the bitmap's name must be the "
                           "checkpoint's", why);
    g_free (disk->bitmap_name);
    disk->bitmap_name = g_strdup (c->name);
  } else
    return bad_diskspec (spec, "after the disk there may be checkpoint=no, "
                         "checkpoint=bitmap and bitmap=NAME", why);
  return 0;
}

int
xml_checkpoint_add_diskspec (struct xml_checkpoint *c, const char *spec,
                             struct failure *why)
{
  const char *at = spec;
  g_autofree char *name = next_word (&at);
  struct xml_checkpoint_disk *disk;
  guint i;
  int r = 0;

  if (name[0] != '/' && !name_is_disk (name))
    return bad_diskspec (spec, "it must begin with a disk's name or the "
                         "absolute path of its source", why);
  for (i = 0; i < c->disks->len; i++) {
    disk = g_ptr_array_index (c->disks, i);
    if (strcmp (disk->name, name) == 0)
      return bad_diskspec (spec, "the disk is given twice", why);
  }
  disk = xml_checkpoint_add_disk (c, name);
  while (r == 0 && at != NULL) {
    g_autofree char *word = next_word (&at);

    r = read_spec_word (word, spec, c, disk, why);
  }
  c->has_disks = true;
  return r;
}

/* --- writing -------------------------------------------------------- */

static void
write_disk (struct xml_output *output, const struct xml_checkpoint *c,
            const struct xml_checkpoint_disk *disk)
{
  xml_open (output, "disk");
  xml_put (output, "name", disk->name);
  xml_put (output, "checkpoint", disk->bitmap ? "bitmap" : "no");
  if (disk->bitmap) {
    xml_put (output, "bitmap", disk->bitmap_name != NULL ? disk->bitmap_name
                                                         : c->name);
    if (disk->has_size)
      xml_put_number (output, "size", disk->size);
  }
  xml_close (output);
}

static void
write_parent (struct xml_output *output, const char *name)
{
  if (name == NULL)
    return;
  xml_open (output, "parent");
  xml_put_element (output, "name", name);
  xml_close (output);
}

static void
write_own_disk (struct xml_output *output,
                const struct xml_checkpoint_disk *disk)
{
  xml_open (output, "pullback:disk");
  xml_put (output, "name", disk->name);
  if (disk->has_capacity)
    xml_put_number (output, "capacity", disk->capacity);
  if (disk->gap_before)
    xml_put (output, "gap-before", "yes");
  xml_put (output, "source", disk->source);
  xml_put (output, "lost", disk->lost);
  xml_close (output);
}

static void
write_own (struct xml_output *output, const struct xml_checkpoint *c)
{
  guint i;

  xml_open (output, "metadata");
  xml_open (output, "pullback:checkpoint");
  xml_put (output, "xmlns:pullback", XML_OWN_NAMESPACE);
  xml_put_element (output, "pullback:state", c->state);
  xml_put_element (output, "pullback:consumer", c->consumer);
  xml_put_element (output, "pullback:boot-id", c->boot_id);
  for (i = 0; i < c->disks->len; i++) {
    const struct xml_checkpoint_disk *disk = g_ptr_array_index (c->disks, i);

    if (disk->bitmap)
      write_own_disk (output, disk);
  }
  xml_close (output);
  xml_close (output);
}

/* Is there anything that libvirt has no word for? */
static bool
has_own (const struct xml_checkpoint *c)
{
  bool own = c->consumer != NULL || c->state != NULL || c->boot_id != NULL;
  guint i;

  for (i = 0; i < c->disks->len; i++) {
    const struct xml_checkpoint_disk *disk = g_ptr_array_index (c->disks, i);

    own = own || disk->has_capacity || disk->gap_before ||
          disk->source != NULL || disk->lost != NULL;
  }
  return own;
}

/* libvirt's schema wants a type; which one says nothing about a backup. */
static void
write_domain (struct xml_output *output, const struct xml_checkpoint *c)
{
  bool own = has_own (c);

  if (c->domain_name == NULL && c->domain_uuid == NULL && !own)
    return;
  xml_open (output, "domain");
  xml_put (output, "type", "qemu");
  xml_put_element (output, "name", c->domain_name);
  xml_put_element (output, "uuid", c->domain_uuid);
  if (own)
    write_own (output, c);
  xml_close (output);
}

char *
xml_checkpoint_format (const struct xml_checkpoint *c)
{
  struct xml_output *output = xml_output_create ();
  char created[32];
  guint i;

  xml_open (output, "domaincheckpoint");
  xml_put_element (output, "name", c->name);
  xml_put_element (output, "description", c->description);
  write_parent (output, c->parent);
  g_snprintf (created, sizeof created, "%" PRId64, c->creation_time);
  xml_put_element (output, "creationTime", c->has_time ? created : NULL);
  if (c->has_disks) {
    xml_open (output, "disks");
    for (i = 0; i < c->disks->len; i++)
      write_disk (output, c, g_ptr_array_index (c->disks, i));
    xml_close (output);
  }
  write_domain (output, c);
  return xml_output_finish (output);
}
