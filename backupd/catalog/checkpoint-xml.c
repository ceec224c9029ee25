/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libxml/tree.h>

#include "checkpoint-xml.h"
#include "export-names.h"
#include "xml-input.h"

void
checkpoint_destroy (struct checkpoint *c)
{
  size_t i;

  if (c == NULL)
    return;
  for (i = 0; i < c->n_disks; i++) {
    free (c->disks[i].name);
    free (c->disks[i].bitmap);
    free (c->disks[i].source);
    free (c->disks[i].lost);
  }
  free (c->disks);
  free (c->name);
  free (c->parent);
  free (c->description);
  free (c->consumer);
  free (c->domain_uuid);
  free (c->boot_id);
  free (c);
}

static bool
copy_text (char **to, const char *from)
{
  if (from == NULL)
    return true;
  *to = strdup (from);
  return *to != NULL;
}

static bool
copy_disks (struct checkpoint *to, const struct checkpoint *from)
{
  size_t i;

  to->disks = calloc (from->n_disks + 1, sizeof *to->disks);
  if (to->disks == NULL)
    return false;
  to->n_disks = from->n_disks;
  for (i = 0; i < from->n_disks; i++) {
    to->disks[i].size = from->disks[i].size;
    to->disks[i].gap_before = from->disks[i].gap_before;
    if (!copy_text (&to->disks[i].name, from->disks[i].name) ||
        !copy_text (&to->disks[i].bitmap, from->disks[i].bitmap) ||
        !copy_text (&to->disks[i].source, from->disks[i].source) ||
        !copy_text (&to->disks[i].lost, from->disks[i].lost))
      return false;
  }
  return true;
}

struct checkpoint *
checkpoint_copy (const struct checkpoint *c)
{
  struct checkpoint *copy = calloc (1, sizeof *copy);

  if (copy == NULL)
    return NULL;
  copy->creation_time = c->creation_time;
  copy->state = c->state;
  if (copy_text (&copy->name, c->name) &&
      copy_text (&copy->parent, c->parent) &&
      copy_text (&copy->description, c->description) &&
      copy_text (&copy->consumer, c->consumer ? c->consumer : "default") &&
      copy_text (&copy->domain_uuid, c->domain_uuid ? c->domain_uuid : "") &&
      copy_text (&copy->boot_id, c->boot_id ? c->boot_id : "") &&
      copy_disks (copy, c))
    return copy;
  checkpoint_destroy (copy);
  return NULL;
}

/* --- reading -------------------------------------------------------- */

/* The first child element NAME of NODE, in namespace NS (NULL: none). */
static xmlNode *
find_child (xmlNode *node, const char *name, const char *ns)
{
  xmlNode *child;

  if (node == NULL)
    return NULL;
  for (child = node->children; child != NULL; child = child->next) {
    const char *href =
      child->ns == NULL ? NULL : (const char *) child->ns->href;

    if (child->type == XML_ELEMENT_NODE &&
        strcmp ((const char *) child->name, name) == 0 &&
        (ns == NULL ? href == NULL : href != NULL && strcmp (href, ns) == 0))
      return child;
  }
  return NULL;
}

/* Malloced text of NODE, FALLBACK if there is no such node. */
static char *
node_text (xmlNode *node, const char *fallback)
{
  xmlChar *text;
  char *copy;

  if (node == NULL)
    return fallback == NULL ? NULL : strdup (fallback);
  text = xmlNodeGetContent (node);
  copy = strdup (text == NULL ? "" : (const char *) text);
  xmlFree (text);
  return copy;
}

static char *
attribute_text (xmlNode *node, const char *name)
{
  xmlChar *text = xmlGetNoNsProp (node, (const xmlChar *) name);
  char *copy = text == NULL ? NULL : strdup ((const char *) text);

  xmlFree (text);
  return copy;
}

static char *
own_attribute_text (xmlNode *node, const char *name)
{
  xmlChar *text = xmlGetNsProp (node, (const xmlChar *) name,
                                (const xmlChar *) CHECKPOINT_NAMESPACE);
  char *copy = text == NULL ? NULL : strdup ((const char *) text);

  xmlFree (text);
  return copy;
}

/* Our own yes/no attribute; anything but a plain "no" counts as yes, the
 * careful side. */
static bool
read_gap (xmlNode *disk)
{
  CLEANUP_FREE char *text = own_attribute_text (disk, "gap-before");

  return text != NULL && strcmp (text, "no") != 0;
}

/* Decimal digits only, at most INT64_MAX. */
static bool
parse_number (const char *text, int64_t *number)
{
  char *end;
  intmax_t value;

  if (text == NULL || text[0] < '0' || text[0] > '9')
    return false;
  errno = 0;
  value = strtoimax (text, &end, 10);
  if (errno != 0 || *end != '\0')
    return false;
  *number = value;
  return true;
}

/* Reads one <disk>; returns what is wrong with it, or NULL. */
static const char *
read_disk (xmlNode *node, struct checkpoint *c)
{
  struct checkpoint_disk *disk = &c->disks[c->n_disks];
  CLEANUP_FREE char *kind = attribute_text (node, "checkpoint");
  CLEANUP_FREE char *size = attribute_text (node, "size");
  int64_t number = 0;
  size_t i;

  if (kind != NULL && strcmp (kind, "no") == 0)
    return NULL;
  if (kind != NULL && strcmp (kind, "bitmap") != 0)
    return "a disk's checkpoint attribute is neither bitmap nor no";
  c->n_disks++;
  disk->name = attribute_text (node, "name");
  disk->bitmap = attribute_text (node, "bitmap");
  if (disk->name == NULL || !name_is_disk (disk->name))
    return "a disk's name is missing or not usable";
  if (disk->bitmap == NULL)
    disk->bitmap = strdup (c->name);
  if (disk->bitmap == NULL || disk->bitmap[0] == '\0' ||
      strlen (disk->bitmap) > 1023)
    return "a disk's bitmap is not usable";
  if (!parse_number (size, &number))
    return "a disk's size is missing or not a number";
  disk->size = (uint64_t) number;
  disk->gap_before = read_gap (node);
  disk->source = own_attribute_text (node, "source");
  disk->lost = own_attribute_text (node, "lost");
  for (i = 0; i + 1 < c->n_disks; i++)
    if (strcmp (c->disks[i].name, disk->name) == 0)
      return "a disk is there twice";
  return NULL;
}

static const char *
read_disks (xmlNode *root, struct checkpoint *c)
{
  xmlNode *disks = find_child (root, "disks", NULL), *node;
  const char *fault;
  size_t n = 0;

  if (disks == NULL)
    return "it has no <disks>";
  for (node = disks->children; node != NULL; node = node->next)
    n++;
  c->disks = calloc (n + 1, sizeof *c->disks);
  if (c->disks == NULL)
    return "out of memory";
  for (node = disks->children; node != NULL; node = node->next) {
    if (node->type != XML_ELEMENT_NODE ||
        strcmp ((const char *) node->name, "disk") != 0)
      continue;
    fault = read_disk (node, c);
    if (fault != NULL)
      return fault;
  }
  return NULL;
}

static const char *const states[] = {
  [CHECKPOINT_TENTATIVE] = "tentative",
  [CHECKPOINT_COMMITTED] = "committed",
  [CHECKPOINT_DELETING] = "deleting"
};

const char *
checkpoint_state_name (enum checkpoint_state state)
{
  return states[state];
}

static const char *
read_state (xmlNode *root, struct checkpoint *c)
{
  CLEANUP_FREE char *state =
    node_text (find_child (root, "state", CHECKPOINT_NAMESPACE), "committed");
  size_t i;

  if (state == NULL)
    return "out of memory";
  for (i = 0; i < sizeof states / sizeof states[0]; i++)
    if (strcmp (state, states[i]) == 0) {
      c->state = (enum checkpoint_state) i;
      return NULL;
    }
  return "its state is neither tentative nor committed nor deleting";
}

/* Fills C from ROOT; returns what is wrong, or NULL. */
static const char *
read_root (xmlNode *root, struct checkpoint *c)
{
  const char *ns = CHECKPOINT_NAMESPACE, *fault;
  xmlNode *parent = find_child (root, "parent", NULL);
  CLEANUP_FREE char *created =
    node_text (find_child (root, "creationTime", NULL), NULL);

  if (root == NULL || strcmp ((const char *) root->name, "domaincheckpoint"))
    return "it is not a <domaincheckpoint>";
  c->name = node_text (find_child (root, "name", NULL), NULL);
  if (c->name == NULL || !name_is_checkpoint (c->name))
    return "its name is missing or not usable";
  if (parent != NULL) {
    c->parent = node_text (find_child (parent, "name", NULL), NULL);
    if (c->parent == NULL || !name_is_checkpoint (c->parent))
      return "its parent's name is missing or not usable";
  }
  if (!parse_number (created, &c->creation_time))
    return "its creationTime is missing or not a number";
  c->description = node_text (find_child (root, "description", NULL), NULL);
  c->consumer = node_text (find_child (root, "consumer", ns), "default");
  c->boot_id = node_text (find_child (root, "boot-id", ns), "");
  c->domain_uuid = node_text (
    find_child (find_child (root, "domain", NULL), "uuid", NULL), "");
  if (c->consumer == NULL || c->boot_id == NULL || c->domain_uuid == NULL)
    return "out of memory";
  fault = read_state (root, c);
  return fault != NULL ? fault : read_disks (root, c);
}

int
checkpoint_xml_parse (const char *text, size_t length, const char *where,
                      struct checkpoint **c, struct failure *why)
{
  struct failure not_xml = { .error = 0 };
  struct checkpoint *parsed;
  const char *fault;
  xmlDoc *doc = NULL;
  int r = xml_parse (text, length, where, NULL, &doc, &not_xml);

  if (r < 0)
    return failure_set (why, FAILURE_STORAGE, -r, "%s", not_xml.text);
  parsed = calloc (1, sizeof *parsed);
  fault = parsed == NULL ? "out of memory"
          : read_root (xmlDocGetRootElement (doc), parsed);
  xmlFreeDoc (doc);
  if (fault == NULL) {
    *c = parsed;
    return 0;
  }
  checkpoint_destroy (parsed);
  return failure_set (why, FAILURE_STORAGE, EINVAL,
                      "%s is not a usable checkpoint: %s", where, fault);
}

/* --- writing -------------------------------------------------------- */

static bool
is_utf8 (const char *text)
{
  return text == NULL || xmlCheckUTF8 ((const unsigned char *) text);
}

static bool
all_utf8 (const struct checkpoint *c)
{
  size_t i;

  for (i = 0; i < c->n_disks; i++)
    if (!is_utf8 (c->disks[i].name) || !is_utf8 (c->disks[i].bitmap) ||
        !is_utf8 (c->disks[i].source) || !is_utf8 (c->disks[i].lost))
      return false;
  return is_utf8 (c->name) && is_utf8 (c->parent) &&
         is_utf8 (c->description) && is_utf8 (c->consumer) &&
         is_utf8 (c->domain_uuid) && is_utf8 (c->boot_id);
}

static void
add_text (xmlNode *node, xmlNs *ns, const char *name, const char *text)
{
  xmlNewTextChild (node, ns, (const xmlChar *) name, (const xmlChar *) text);
}

static void
add_disks (xmlNode *root, xmlNs *ns, const struct checkpoint *c)
{
  xmlNode *disks = xmlNewChild (root, NULL, (const xmlChar *) "disks", NULL);
  size_t i;

  for (i = 0; i < c->n_disks; i++) {
    xmlNode *disk = xmlNewChild (disks, NULL, (const xmlChar *) "disk", NULL);
    char size[32];

    snprintf (size, sizeof size, "%" PRIu64, c->disks[i].size);
    xmlNewProp (disk, (const xmlChar *) "name",
                (const xmlChar *) c->disks[i].name);
    xmlNewProp (disk, (const xmlChar *) "checkpoint",
                (const xmlChar *) "bitmap");
    xmlNewProp (disk, (const xmlChar *) "bitmap",
                (const xmlChar *) c->disks[i].bitmap);
    xmlNewProp (disk, (const xmlChar *) "size", (const xmlChar *) size);
    if (c->disks[i].gap_before)
      xmlNewNsProp (disk, ns, (const xmlChar *) "gap-before",
                    (const xmlChar *) "yes");
    if (c->disks[i].source != NULL)
      xmlNewNsProp (disk, ns, (const xmlChar *) "source",
                    (const xmlChar *) c->disks[i].source);
    if (c->disks[i].lost != NULL)
      xmlNewNsProp (disk, ns, (const xmlChar *) "lost",
                    (const xmlChar *) c->disks[i].lost);
  }
}

static void
add_own (xmlNode *root, xmlNs *ns, const struct checkpoint *c)
{
  add_text (root, ns, "state", checkpoint_state_name (c->state));
  add_text (root, ns, "consumer", c->consumer ? c->consumer : "default");
  add_text (root, ns, "boot-id", c->boot_id ? c->boot_id : "");
}

static xmlDoc *
build_document (const struct checkpoint *c)
{
  xmlDoc *doc = xmlNewDoc ((const xmlChar *) "1.0");
  xmlNode *root = xmlNewNode (NULL, (const xmlChar *) "domaincheckpoint");
  xmlNs *ns = xmlNewNs (root, (const xmlChar *) CHECKPOINT_NAMESPACE,
                        (const xmlChar *) "pullback");
  char created[32];

  xmlDocSetRootElement (doc, root);
  add_text (root, NULL, "name", c->name);
  if (c->description != NULL)
    add_text (root, NULL, "description", c->description);
  if (c->parent != NULL)
    add_text (xmlNewChild (root, NULL, (const xmlChar *) "parent", NULL), NULL,
              "name", c->parent);
  snprintf (created, sizeof created, "%" PRId64, c->creation_time);
  add_text (root, NULL, "creationTime", created);
  add_disks (root, ns, c);
  if (c->domain_uuid != NULL && c->domain_uuid[0] != '\0')
    add_text (xmlNewChild (root, NULL, (const xmlChar *) "domain", NULL), NULL,
              "uuid", c->domain_uuid);
  add_own (root, ns, c);
  return doc;
}

int
checkpoint_xml_format (const struct checkpoint *c, char **text, size_t *length)
{
  xmlDoc *doc;
  xmlChar *dump = NULL;
  int size = 0;

  if (c->name == NULL || !all_utf8 (c))
    return -EINVAL;
  doc = build_document (c);
  xmlDocDumpFormatMemoryEnc (doc, &dump, &size, "UTF-8", 1);
  xmlFreeDoc (doc);
  if (dump == NULL)
    return -ENOMEM;
  *text = malloc ((size_t) size + 1);
  if (*text != NULL) {
    memcpy (*text, dump, (size_t) size);
    (*text)[size] = '\0';
    *length = (size_t) size;
  }
  xmlFree (dump);
  return *text == NULL ? -ENOMEM : 0;
}
