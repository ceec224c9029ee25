/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <limits.h>
#include <string.h>

#include <glib.h>

#include "name.h"
#include "xml-names.h"

/* Comparing each with all before it must not take forever. */
#define DISKS_MAX 1024

/* What is wrong with a <disk> called NAME at NODE's place; NULL: nothing. */
static const char *
place_fault (const xml_node *node, const char *name)
{
  const xml_node *other = xml_first_of (node);
  unsigned n = 0;

  for (; other != NULL && other != node; other = xml_next (other)) {
    g_autofree char *taken = xml_attribute (other, "name");

    if (g_strcmp0 (taken, name) == 0)
      return "the disk is there twice";
    if (++n >= DISKS_MAX)
      return "there are more than " G_STRINGIFY (DISKS_MAX) " disks";
  }
  return NULL;
}

int
xml_read_disk_name (const xml_node *node, char **ret, struct failure *why)
{
  g_autofree char *name = xml_attribute (node, "name");
  const char *fault;

  if (name == NULL || !(name[0] == '/' ? strlen (name) < PATH_MAX
                                       : name_is_disk (name)))
    return xml_bad_value (node, "name", name, "it must be a disk's target "
                          "name or the absolute path of its source", why);
  fault = place_fault (node, name);
  if (fault != NULL)
    return xml_bad_value (node, "name", name, fault, why);
  *ret = g_steal_pointer (&name);
  return 0;
}
