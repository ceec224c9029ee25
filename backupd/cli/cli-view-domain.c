/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Domains, and the daemon itself. */
#include <config.h>

#include <stdio.h>
#include <string.h>

#include <glib.h>

#include "cli-view.h"
#include "json-members.h"

static void
print_added (json_object *arguments, json_object *reply)
{
  json_object *added = json_get_array (reply, "added");
  json_object *skipped = json_get_array (reply, "skipped");
  size_t i;

  if (added == NULL)
    printf ("Domain %s added\n", json_get_string (arguments, "name"));
  for (i = 0; i < json_length (added); i++)
    cli_view_say ("Domain %s added", json_object_get_string (
                    json_object_array_get_idx (added, i)));
  for (i = 0; i < json_length (skipped); i++) {
    json_object *one = json_object_array_get_idx (skipped, i);

    cli_view_say ("%s was left out: %s", json_get_string (one, "name"),
                  json_get_string (one, "reason"));
  }
}

static void
print_removed (json_object *arguments, json_object *reply)
{
  printf ("Domain %s removed\n", json_get_string (arguments, "name"));
}

static char *
format_access (json_object *disk, const char *key)
{
  const char *unusable = json_get_string (disk, "unusable");

  /* Without what it says about it in brackets. */
  return unusable == NULL ? g_strdup ("writable")
         : g_strchomp (g_strndup (unusable, strcspn (unusable, "(")));
}

/* Of the socket, or of libvirt. */
static char *
format_where (json_object *domain, const char *key)
{
  const char *qmp = json_get_string (domain, "qmp");

  return g_strdup (qmp != NULL ? qmp : json_get_string (domain, "libvirt"));
}

/* Of a list of texts. */
static char *
format_list (json_object *object, const char *key)
{
  json_object *list = json_get_array (object, key);
  GString *joined;
  size_t i;

  if (list == NULL)
    return NULL;
  joined = g_string_new (NULL);
  for (i = 0; i < json_length (list); i++)
    g_string_append_printf (joined, "%s%s", i > 0 ? ", " : "",
                            json_object_get_string (
                              json_object_array_get_idx (list, i)));
  return g_string_free (joined, FALSE);
}

static void
print_version (json_object *arguments, json_object *reply)
{
  printf ("pullback-backupd %s, process %d\n",
          json_get_string (reply, "version"),
          json_object_get_int (json_object_object_get (reply, "pid")));
}

const struct cli_view cli_view_domain_add = { .print = print_added };

const struct cli_view cli_view_domain_remove = { .print = print_removed };

const struct cli_view cli_view_domain_list = {
  .list = "domains",
  .columns = CLI_ITEMS ({ "Name", "name", NULL },
                        { "Backup", "backup", NULL },
                        { "State", "state", NULL },
                        { "QEMU", "", format_where })
};

const struct cli_view cli_view_domain_info = {
  .lines = CLI_ITEMS ({ "Name:", "name", NULL },
                      { "QMP:", "qmp", NULL },
                      { "Libvirt:", "libvirt", NULL },
                      { "Name there:", "libvirt-domain", NULL },
                      { "State:", "state", NULL },
                      { "Problem:", "problem", NULL },
                      { "Backup:", "backup", NULL },
                      { "libvirt's checkpoints:", "libvirt-checkpoints",
                        format_list },
                      { "libvirt's snapshots:", "libvirt-snapshots",
                        format_list },
                      { "and more of both:", "libvirt-left-out",
                        cli_view_number },
                      { "Not known:", "libvirt-unknown", NULL }),
  .list = "disks",
  .columns = CLI_ITEMS ({ "Disk", "name", NULL },
                        { "Node", "node", NULL },
                        { "Format", "driver", NULL },
                        { "Size", "size", cli_view_size },
                        { "Access", "", format_access },
                        { "Bitmaps", "bitmaps", cli_view_names })
};

static void
print_text (json_object *arguments, json_object *reply)
{
  const char *text = json_get_string (reply, "text");

  if (text != NULL)
    fputs (text, stdout);
}

const struct cli_view cli_view_metrics = { .print = print_text };

const struct cli_view cli_view_version = { .print = print_version };
