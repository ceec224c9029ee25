/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The texts of a checkpoint are in two tables, so that none is forgotten by what
 * has to do with all of them. */
#include <config.h>

#include <string.h>

#include <glib.h>

#include "catalog-checkpoint.h"

static const size_t texts[] = {
  offsetof (struct checkpoint, name),
  offsetof (struct checkpoint, parent),
  offsetof (struct checkpoint, description),
  offsetof (struct checkpoint, consumer),
  offsetof (struct checkpoint, domain_uuid),
  offsetof (struct checkpoint, boot_id),
};

static const size_t disk_texts[] = {
  offsetof (struct checkpoint_disk, name),
  offsetof (struct checkpoint_disk, bitmap),
  offsetof (struct checkpoint_disk, source),
  offsetof (struct checkpoint_disk, lost),
};

static char **
text_at (const void *object, size_t offset)
{
  return (char **) ((char *) object + offset);
}

/* Calls EACH on every text of C that is there, until it returns false. */
static bool
each_text (const struct checkpoint *c, bool (*each) (char **text))
{
  bool goes_on = true;

  for (size_t i = 0; goes_on && i < G_N_ELEMENTS (texts); i++)
    goes_on = each (text_at (c, texts[i]));
  for (size_t i = 0; goes_on && i < c->n_disks; i++)
    for (size_t j = 0; goes_on && j < G_N_ELEMENTS (disk_texts); j++)
      goes_on = each (text_at (&c->disks[i], disk_texts[j]));
  return goes_on;
}

static bool
free_text (char **text)
{
  g_free (*text);
  return true;
}

static bool
own_text (char **text)
{
  *text = g_strdup (*text);
  return true;
}

static bool
is_utf8 (char **text)
{
  return *text == NULL || g_utf8_validate (*text, -1, NULL);
}

struct checkpoint *
catalog_checkpoint_create (void)
{
  struct checkpoint *c = g_new0 (struct checkpoint, 1);

  c->state = CHECKPOINT_COMMITTED;
  return c;
}

void
catalog_checkpoint_destroy (struct checkpoint *c)
{
  if (c == NULL)
    return;
  each_text (c, free_text);
  g_free (c->disks);
  g_free (c);
}

struct checkpoint *
catalog_checkpoint_copy (const struct checkpoint *c)
{
  struct checkpoint *copy = g_memdup2 (c, sizeof *c);

  copy->disks = g_memdup2 (c->disks, c->n_disks * sizeof *c->disks);
  if (copy->consumer == NULL)
    copy->consumer = (char *) "default";
  if (copy->domain_uuid == NULL)
    copy->domain_uuid = (char *) "";
  if (copy->boot_id == NULL)
    copy->boot_id = (char *) "";
  each_text (copy, own_text);
  return copy;
}

bool
catalog_checkpoint_is_utf8 (const struct checkpoint *c)
{
  return each_text (c, is_utf8);
}

struct checkpoint_disk *
catalog_checkpoint_add_disk (struct checkpoint *c, const char *name)
{
  struct checkpoint_disk *disk;

  c->disks = g_renew (struct checkpoint_disk, c->disks, c->n_disks + 1);
  disk = &c->disks[c->n_disks++];
  *disk = (struct checkpoint_disk) { .name = g_strdup (name) };
  return disk;
}

const struct checkpoint_disk *
catalog_checkpoint_disk (const struct checkpoint *c, const char *disk)
{
  for (size_t i = 0; i < c->n_disks; i++)
    if (strcmp (c->disks[i].name, disk) == 0)
      return &c->disks[i];
  return NULL;
}

static const char *const states[] = {
  [CHECKPOINT_TENTATIVE] = "tentative",
  [CHECKPOINT_COMMITTED] = "committed",
  [CHECKPOINT_DELETING] = "deleting"
};

const char *
catalog_checkpoint_state (enum checkpoint_state state)
{
  return states[state];
}

bool
catalog_checkpoint_read_state (const char *text, enum checkpoint_state *state)
{
  for (size_t i = 0; i < G_N_ELEMENTS (states); i++)
    if (strcmp (text, states[i]) == 0) {
      *state = (enum checkpoint_state) i;
      return true;
    }
  return false;
}
