/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <glib.h>

#include "checkpoint-xml.h"
#include "name.h"
#include "xml-checkpoint.h"

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
read_state (const char *state, struct checkpoint *c)
{
  size_t i;

  c->state = CHECKPOINT_COMMITTED;
  for (i = 0; state != NULL && i < G_N_ELEMENTS (states); i++)
    if (strcmp (state, states[i]) == 0) {
      c->state = (enum checkpoint_state) i;
      return NULL;
    }
  return state == NULL ? NULL
         : "its state is neither tentative nor committed nor deleting";
}

/* Adds DISK to C; returns what is wrong with it, or NULL. */
static const char *
read_disk (const struct xml_checkpoint_disk *disk, struct checkpoint *c)
{
  char *bitmap = disk->bitmap_name == NULL ? c->name : disk->bitmap_name;

  if (!disk->bitmap)
    return NULL;
  if (!name_is_disk (disk->name))
    return "a disk's name is not usable";
  if (bitmap[0] == '\0' || strlen (bitmap) > 1023)
    return "a disk's bitmap is not usable";
  if (!disk->has_capacity && !disk->has_size)
    return "a disk's size is missing or not a number";
  c->disks[c->n_disks++] = (struct checkpoint_disk) {
    .name = disk->name, .bitmap = bitmap, .gap_before = disk->gap_before,
    .size = disk->has_capacity ? disk->capacity : disk->size,
    .source = disk->source, .lost = disk->lost };
  return NULL;
}

/* *RET is new; it shares nothing with XML. */
static const char *
read_checkpoint (const struct xml_checkpoint *xml, struct checkpoint **ret)
{
  g_autofree struct checkpoint_disk *disks =
    g_new0 (struct checkpoint_disk, xml->disks->len + 1);
  struct checkpoint c = {
    .name = xml->name, .parent = xml->parent, .description = xml->description,
    .consumer = xml->consumer, .domain_uuid = xml->domain_uuid,
    .boot_id = xml->boot_id, .creation_time = xml->creation_time,
    .disks = disks
  };
  const char *fault =
    xml->has_disks ? read_state (xml->state, &c) : "it has no <disks>";
  guint i;

  for (i = 0; fault == NULL && i < xml->disks->len; i++)
    fault = read_disk (g_ptr_array_index (xml->disks, i), &c);
  if (fault != NULL)
    return fault;
  *ret = checkpoint_copy (&c);
  return *ret == NULL ? "out of memory" : NULL;
}

int
checkpoint_xml_parse (const char *text, size_t length, const char *where,
                      struct checkpoint **c, struct failure *why)
{
  struct failure not_xml = { .error = 0 };
  struct xml_checkpoint *xml = NULL;
  const char *fault;
  int r = xml_checkpoint_parse_stored (text, length, where, &xml, &not_xml);

  if (r < 0)
    return failure_set (why, FAILURE_STORAGE, -r, "%s is not a usable "
                        "checkpoint: %s", where, not_xml.text);
  fault = read_checkpoint (xml, c);
  xml_checkpoint_destroy (xml);
  return fault == NULL ? 0
         : failure_set (why, FAILURE_STORAGE, EINVAL,
                        "%s is not a usable checkpoint: %s", where, fault);
}

/* --- writing -------------------------------------------------------- */

static bool
is_utf8 (const char *text)
{
  return text == NULL || g_utf8_validate (text, -1, NULL);
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
write_disks (const struct checkpoint *c, struct xml_checkpoint *xml)
{
  size_t i;

  for (i = 0; i < c->n_disks; i++) {
    const struct checkpoint_disk *disk = &c->disks[i];
    struct xml_checkpoint_disk *to = xml_checkpoint_add_disk (xml, disk->name);

    to->bitmap_name = g_strdup (disk->bitmap);
    to->has_capacity = true;
    to->capacity = disk->size;
    to->gap_before = disk->gap_before;
    to->source = g_strdup (disk->source);
    to->lost = g_strdup (disk->lost);
  }
}

int
checkpoint_xml_format (const struct checkpoint *c, char **text, size_t *length)
{
  struct xml_checkpoint *xml;

  if (c->name == NULL || !all_utf8 (c))
    return -EINVAL;
  xml = xml_checkpoint_create ();
  xml->name = g_strdup (c->name);
  xml->description = g_strdup (c->description);
  xml->parent = g_strdup (c->parent);
  xml->has_time = true;
  xml->creation_time = c->creation_time;
  xml->has_disks = true;
  write_disks (c, xml);
  if (c->domain_uuid != NULL && c->domain_uuid[0] != '\0')
    xml->domain_uuid = g_strdup (c->domain_uuid);
  xml->state = g_strdup (checkpoint_state_name (c->state));
  xml->consumer = g_strdup (c->consumer != NULL ? c->consumer : "default");
  xml->boot_id = g_strdup (c->boot_id != NULL ? c->boot_id : "");
  *text = xml_checkpoint_format (xml);
  *length = strlen (*text);
  xml_checkpoint_destroy (xml);
  return 0;
}
