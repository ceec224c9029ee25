/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The schema has 200 KiB of text and several MiB as objects.  It is boiled
 * down to one set of strings, some ten KiB, and dropped:
 *
 *   "job-cancel"                        a command
 *   "job-cancel id"                     its argument
 *   "blockdev-add nbd.reconnect-delay"  an argument of one variant
 *   "block-export-add nbd.bitmaps.node" a member of objects in its list
 *   "nbd-server-start addr.fd"          a variant of an argument
 *   "transaction blockdev-backup"       a type of action */
#include <config.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <glib.h>

#include "json-members.h"
#include "qmp-schema.h"

struct qmp_schema {
  GHashTable *keys;             /* a set; the strings belong to CHUNK */
  GStringChunk *chunk;
};

struct reader {
  struct qmp_schema *schema;
  GHashTable *types;            /* name to object, borrowed */
};

static void
add_key (struct qmp_schema *schema, const char *command, const char *variant,
         const char *member)
{
  char key[512];
  int n;

  n = snprintf (key, sizeof key, "%s%s%s%s%s", command,
                member[0] == '\0' ? "" : " ", variant,
                variant[0] == '\0' ? "" : ".", member);
  if (n > 0 && (size_t) n < sizeof key)
    g_hash_table_add (schema->keys,
                      g_string_chunk_insert_const (schema->chunk, key));
}

static json_object *
find_type (const struct reader *reader, json_object *from, const char *key)
{
  const char *name = json_get_string (from, key);

  return name == NULL ? NULL : g_hash_table_lookup (reader->types, name);
}

static void
add_members (const struct reader *reader, const char *command,
             const char *variant, json_object *type)
{
  json_object *members = json_get_array (type, "members");
  const char *name;
  size_t i, n = json_length (members);

  for (i = 0; i < n; i++) {
    name = json_get_string (json_object_array_get_idx (members, i), "name");
    if (name != NULL)
      add_key (reader->schema, command, variant, name);
  }
}

static bool
is_meta (json_object *type, const char *meta)
{
  return json_has_string (type, "meta-type", meta);
}

/* The members of an array's objects, where they may be strings as well. */
static void
add_alternates (const struct reader *reader, const char *command,
                const char *variant, json_object *member)
{
  json_object *type = find_type (reader, find_type (reader, member, "type"),
                                 "element-type");
  json_object *list = is_meta (type, "alternate")
                      ? json_get_array (type, "members") : NULL;
  const char *name = json_get_string (member, "name");
  char prefix[256];
  size_t i;

  if (name == NULL)
    return;
  snprintf (prefix, sizeof prefix, "%s%s%s", variant,
            variant[0] == '\0' ? "" : ".", name);
  for (i = 0; i < json_length (list); i++) {
    type = find_type (reader, json_object_array_get_idx (list, i), "type");
    if (is_meta (type, "object"))
      add_members (reader, command, prefix, type);
  }
}

static void
add_members_deep (const struct reader *reader, const char *command,
                  const char *variant, json_object *type)
{
  json_object *members = json_get_array (type, "members");
  size_t i;

  add_members (reader, command, variant, type);
  for (i = 0; i < json_length (members); i++)
    add_alternates (reader, command, variant,
                    json_object_array_get_idx (members, i));
}

/* The argument MEMBER may be one of several. */
static void
add_cases (const struct reader *reader, const char *command,
           json_object *member)
{
  const char *argument = json_get_string (member, "name"), *name;
  json_object *variants =
    json_get_array (find_type (reader, member, "type"), "variants");
  size_t i;

  for (i = 0; argument != NULL && i < json_length (variants); i++) {
    name = json_get_string (json_object_array_get_idx (variants, i), "case");
    if (name != NULL)
      add_key (reader->schema, command, argument, name);
  }
}

static void
add_arguments (const struct reader *reader, const char *command,
               json_object *type)
{
  json_object *members = json_get_array (type, "members");
  json_object *variants = json_get_array (type, "variants"), *variant;
  const char *name;
  size_t i, n = json_length (variants);

  add_members (reader, command, "", type);
  for (i = 0; i < json_length (members); i++)
    add_cases (reader, command, json_object_array_get_idx (members, i));
  for (i = 0; i < n; i++) {
    variant = json_object_array_get_idx (variants, i);
    name = json_get_string (variant, "case");
    if (name != NULL)
      add_members_deep (reader, command, name,
                        find_type (reader, variant, "type"));
  }
}

/* The argument "actions" is an array of a union; its cases are what counts. */
static void
add_actions (const struct reader *reader, json_object *type)
{
  json_object *member = json_find (json_get_array (type, "members"), "name",
                                       "actions"), *variants;
  const char *name;
  size_t i;

  type = find_type (reader, find_type (reader, member, "type"), "element-type");
  variants = json_get_array (type, "variants");
  for (i = 0; i < json_length (variants); i++) {
    name = json_get_string (json_object_array_get_idx (variants, i), "case");
    if (name != NULL)
      add_key (reader->schema, "transaction", "", name);
  }
}

static void
add_command (const struct reader *reader, json_object *entry)
{
  const char *name = json_get_string (entry, "name");
  const char *meta = json_get_string (entry, "meta-type");
  json_object *type;

  if (name == NULL || meta == NULL || strcmp (meta, "command") != 0)
    return;
  add_key (reader->schema, name, "", "");
  type = find_type (reader, entry, "arg-type");
  add_arguments (reader, name, type);
  if (strcmp (name, "transaction") == 0)
    add_actions (reader, type);
}

int
qmp_schema_create (json_object *types, struct qmp_schema **schema)
{
  struct reader reader;
  json_object *entry;
  const char *name;
  size_t i, n;

  if (!json_object_is_type (types, json_type_array))
    return -EPROTO;
  reader.schema = calloc (1, sizeof *reader.schema);
  if (reader.schema == NULL)
    return -ENOMEM;
  reader.schema->keys = g_hash_table_new (g_str_hash, g_str_equal);
  reader.schema->chunk = g_string_chunk_new (4096);
  reader.types = g_hash_table_new (g_str_hash, g_str_equal);

  n = json_object_array_length (types);
  for (i = 0; i < n; i++) {
    entry = json_object_array_get_idx (types, i);
    name = json_get_string (entry, "name");
    if (name != NULL)
      g_hash_table_insert (reader.types, (gpointer) name, entry);
  }
  for (i = 0; i < n; i++)
    add_command (&reader, json_object_array_get_idx (types, i));
  g_hash_table_destroy (reader.types);

  if (!qmp_schema_has (reader.schema, "query-qmp-schema", "")) {
    qmp_schema_destroy (reader.schema);
    return -EPROTO;
  }
  *schema = reader.schema;
  return 0;
}

void
qmp_schema_destroy (struct qmp_schema *schema)
{
  if (schema == NULL)
    return;
  g_hash_table_destroy (schema->keys);
  g_string_chunk_free (schema->chunk);
  free (schema);
}

bool
qmp_schema_has (const struct qmp_schema *schema, const char *command,
                const char *member)
{
  char key[512];
  int n;

  n = snprintf (key, sizeof key, "%s%s%s", command,
                member[0] == '\0' ? "" : " ", member);
  return n > 0 && (size_t) n < sizeof key
         && g_hash_table_contains (schema->keys, key);
}

int
qmp_schema_check_needed (const struct qmp_schema *schema, const char *name,
                         struct failure *why)
{
  static const struct {
    const char *command, *member, *since, *purpose;
  } needed[] = {
#define X(command, member, since, purpose) { command, member, since, purpose },
#include "qmp-needed.tbl.h"
#undef X
  };
  size_t i;

  for (i = 0; i < G_N_ELEMENTS (needed); i++)
    if (!qmp_schema_has (schema, needed[i].command, needed[i].member))
      return failure_set (why, FAILURE_QMP_UNSUPPORTED, EOPNOTSUPP, "the QEMU "
                          "behind %s lacks %s%s%s, which pullback needs to "
                          "%s; QEMU %s or later has it", name,
                          needed[i].command, *needed[i].member ? " " : "",
                          needed[i].member, needed[i].purpose,
                          needed[i].since);
  return 0;
}
