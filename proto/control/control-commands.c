/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The daemon and the command line read one table, so that neither takes what
 * the other refuses; all checks follow from the types in it. */
#include <config.h>

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control-commands.h"
#include "name.h"
#include "size.h"
#include "socket.h"

/* More than a disk's name may have. */
#define NAME_ROOM 256

#define REQUIRED CONTROL_REQUIRED
#define POSITIONAL CONTROL_POSITIONAL
#define NEW CONTROL_NEW

/* --- decoding ------------------------------------------------------- */

/* VALUE (NULL: not given) has been checked. */
static void
fill_text (const char **field, json_object *value)
{
  *field = json_object_get_string (value);
}

static void
fill_list (struct control_list *field, json_object *value)
{
  field->array = value;
  field->n = value == NULL ? 0 : json_object_array_length (value);
}

static void
fill_number (int64_t *field, json_object *value)
{
  *field = value == NULL ? -1 : json_object_get_int64 (value);
}

static void
fill_flag (bool *field, json_object *value)
{
  *field = json_object_get_boolean (value);
}

#define COMMAND(id, ...) \
  static void \
  fill_##id (struct control_arguments *head) \
  { \
    struct arguments_##id *arguments = (void *) head; \
    (void) arguments;
#define ARGUMENT(field, name, ...) \
    _Generic (arguments->field, const char *: fill_text, \
              struct control_list: fill_list, int64_t: fill_number, \
              bool: fill_flag) \
      (&arguments->field, json_object_object_get (head->json, name));
#define END_COMMAND \
  }
#include "control-commands.tbl.h"

const char *
control_list_at (const struct control_list *list, size_t i)
{
  return json_object_get_string (json_object_array_get_idx (list->array, i));
}

/* --- the table ------------------------------------------------------ */

static const struct control_command commands[] = {
#define COMMAND(id, verb, kind, help) \
  { verb, CONTROL_##kind, help, \
    .size = sizeof (struct arguments_##id), .fill = fill_##id, \
    .arguments = (const struct control_argument[]) {
#define ARGUMENT(field, name, option, type, flags, value, help) \
  { name, option, CONTROL_##type, flags, value, help },
#define END_COMMAND { .name = NULL } } },
#include "control-commands.tbl.h"
  { .verb = NULL }
};

const struct control_command *
control_commands (void)
{
  return commands;
}

const struct control_command *
control_command_find (const char *verb)
{
  const struct control_command *c;

  for (c = commands; c->verb != NULL; c++)
    if (strcmp (c->verb, verb) == 0)
      return c;
  return NULL;
}

const struct control_argument *
control_argument_find (const struct control_command *command, const char *name)
{
  const struct control_argument *a;

  for (a = command->arguments; a->name != NULL; a++)
    if (strcmp (a->name, name) == 0)
      return a;
  return NULL;
}

const char *
control_quote (const char *value, char buffer[CONTROL_QUOTE_MAX])
{
  size_t length = strlen (value);

  if (length < CONTROL_QUOTE_MAX)
    memcpy (buffer, value, length + 1);
  else
    snprintf (buffer, CONTROL_QUOTE_MAX, "%.48s... (%zu bytes)", value, length);
  return buffer;
}

size_t
control_disk_split (const char *spec, const char **node)
{
  const char *equals = spec[0] == '/' ? NULL : strchr (spec, '=');

  *node = equals == NULL ? NULL : equals + 1;
  return equals == NULL ? strlen (spec) : (size_t) (equals - spec);
}

size_t
control_image_split (const char *spec, const char **path)
{
  const char *equals = strchr (spec, '=');
  size_t length = equals == NULL ? 0 : (size_t) (equals - spec);
  char name[NAME_ROOM];

  *path = spec;
  if (length == 0 || length >= sizeof name)
    return 0;
  memcpy (name, spec, length);
  name[length] = '\0';
  if (!name_is_disk (name))
    return 0;
  *path = equals + 1;
  return length;
}

static bool
image_is_good (const char *spec)
{
  const char *path;

  (void) control_image_split (spec, &path);
  return path[0] == '/' && strlen (path) < PATH_MAX;
}

bool
control_source_is_uri (const char *source)
{
  size_t n = strspn (source, "abcdefghijklmnopqrstuvwxyz"
                     "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-.");

  return n > 0 && strncmp (source + n, "://", 3) == 0;
}

static bool
source_is_good (const char *spec)
{
  const char *source;

  (void) control_image_split (spec, &source);
  return control_source_is_uri (source) || image_is_good (spec);
}

static bool
disk_is_good (const char *spec)
{
  char name[NAME_ROOM];
  const char *node;
  size_t length = control_disk_split (spec, &node);

  if (spec[0] == '/')
    return length < PATH_MAX;
  if (length >= sizeof name)
    return false;
  memcpy (name, spec, length);
  name[length] = '\0';
  /* QEMU's own limit for node names is 31 bytes; leave it the last word. */
  return name_is_disk (name) &&
         (node == NULL || (node[0] != '\0' && strlen (node) < 256));
}

static bool
tcp_is_good (const char *where)
{
  struct socket_place place;

  return socket_parse_place (where, &place) == 0 && atoi (place.port) > 0;
}

/* What is wrong with VALUE, as the end of a sentence; NULL: nothing. */
static const char *
value_fault (enum control_type type, const char *value)
{
  switch (type) {
  case CONTROL_DOMAIN:
    return name_is_domain (value) ? NULL
           : "is not a domain name (at most 64 of A-Z a-z 0-9 _ . -, no "
             "leading dot)";
  case CONTROL_RESTORE:
    return name_is_domain (value) ? NULL
           : "is not a name of a restore (at most 64 of A-Z a-z 0-9 _ . -, no "
             "leading dot)";
  case CONTROL_CHECKPOINT:
  case CONTROL_CHECKPOINTS:
    return name_is_checkpoint (value) ? NULL
           : "is not a usable name (at most 200 of A-Z a-z 0-9 _ . -, no "
             "leading dot)";
  case CONTROL_PATH:
    return value[0] == '/' && strlen (value) < PATH_MAX ? NULL
           : "is not an absolute path";
  case CONTROL_TCP:
    return tcp_is_good (value) ? NULL
           : "is not [ADDRESS:]PORT with a port from 1 to 65535";
  case CONTROL_TEXT:
  case CONTROL_TEXTS:
    return value[0] != '\0' ? NULL : "is empty";
  case CONTROL_XML:
    return value[0] == '\0' ? "is empty"
           : strlen (value) > CONTROL_XML_MAX ? "is larger than 1 MiB" : NULL;
  case CONTROL_PACE:
    return strcmp (value, "guest-first") == 0 || strcmp (value, "off") == 0
           ? NULL : "is neither guest-first nor off";
  case CONTROL_DISKS:
    return disk_is_good (value) ? NULL
           : "is not a disk NAME, NAME=NODE or absolute path (names: at most "
             "128 of A-Z a-z 0-9 _ . : + -)";
  case CONTROL_IMAGES:
    return image_is_good (value) ? NULL
           : "is not [DISK=]FILE with an absolute path (names: at most 128 of "
             "A-Z a-z 0-9 _ . : + -)";
  case CONTROL_SOURCES:
    return source_is_good (value) ? NULL
           : "is not [DISK=]FILE with an absolute path, nor [DISK=]URI (names: "
             "at most 128 of A-Z a-z 0-9 _ . : + -)";
  case CONTROL_BYTES:
  case CONTROL_SECONDS:
  case CONTROL_BOOL:
    break;
  }
  return "cannot be a string";
}

static int
check_string (enum control_type type, const char *name, json_object *value,
              struct failure *why)
{
  char quoted[CONTROL_QUOTE_MAX];
  const char *text, *fault;

  if (!json_object_is_type (value, json_type_string))
    return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL,
                        "%s: must be a string, not %s", name,
                        json_type_to_name (json_object_get_type (value)));
  text = json_object_get_string (value);
  if (strlen (text) != (size_t) json_object_get_string_len (value))
    return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL,
                        "%s: contains a NUL character", name);
  fault = value_fault (type, text);
  return fault == NULL ? 0 : failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL,
                                          "%s: \"%s\" %s", name,
                                          control_quote (text, quoted), fault);
}

static bool
same_name (json_object *list, size_t i, size_t j)
{
  const char *node;
  const char *a = json_object_get_string (json_object_array_get_idx (list, i));
  const char *b = json_object_get_string (json_object_array_get_idx (list, j));
  size_t length = control_disk_split (a, &node);

  return control_disk_split (b, &node) == length && strncmp (a, b, length) == 0;
}

bool
control_type_is_list (enum control_type type)
{
  return type == CONTROL_DISKS || type == CONTROL_CHECKPOINTS ||
         type == CONTROL_IMAGES || type == CONTROL_SOURCES ||
         type == CONTROL_TEXTS;
}

static int
check_list (enum control_type type, const char *name, json_object *list,
            struct failure *why)
{
  char quoted[CONTROL_QUOTE_MAX];
  size_t i, j, n;

  if (!json_object_is_type (list, json_type_array))
    return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL,
                        "%s: must be a list of strings", name);
  n = json_object_array_length (list);
  if (n > 1024)
    return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL,
                        "%s: more than 1024 elements", name);
  for (i = 0; i < n; i++) {
    json_object *item = json_object_array_get_idx (list, i);
    int r = check_string (type, name, item, why);

    if (r < 0)
      return r;
    for (j = 0; j < i && type != CONTROL_TEXTS && type != CONTROL_IMAGES &&
                type != CONTROL_SOURCES; j++)
      if (same_name (list, i, j))
        return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL,
                            "%s: \"%s\" is given twice", name,
                            control_quote (json_object_get_string (item),
                                           quoted));
  }
  return 0;
}

static int
check_seconds (const char *name, json_object *value, struct failure *why)
{
  if (json_object_is_type (value, json_type_int) &&
      json_object_get_int64 (value) >= 0 &&
      json_object_get_int64 (value) <= CONTROL_SECONDS_MAX)
    return 0;
  return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL,
                      "%s: must be a whole number of seconds, from 0 to %d",
                      name, CONTROL_SECONDS_MAX);
}

static int
check_bytes (const char *name, json_object *value, struct failure *why)
{
  char quoted[CONTROL_QUOTE_MAX];

  if (json_object_is_type (value, json_type_int) &&
      json_object_get_int64 (value) >= 1 &&
      json_object_get_int64 (value) <= (int64_t) SIZE_TEXT_MAX)
    return 0;
  return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL, "%s: %s is no number "
                      "of bytes, such as 1048576 (on the command line also "
                      "1024K, 1M, 1G or 1T)", name,
                      control_quote (json_object_to_json_string (value),
                                     quoted));
}

static int
check_argument (const struct control_argument *argument, json_object *value,
                struct failure *why)
{
  switch (argument->type) {
  case CONTROL_BOOL:
    if (json_object_is_type (value, json_type_boolean))
      return 0;
    return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL,
                        "%s: must be true or false", argument->name);
  case CONTROL_DISKS:
  case CONTROL_CHECKPOINTS:
  case CONTROL_IMAGES:
  case CONTROL_SOURCES:
  case CONTROL_TEXTS:
    return check_list (argument->type, argument->name, value, why);
  case CONTROL_BYTES:
    return check_bytes (argument->name, value, why);
  case CONTROL_SECONDS:
    return check_seconds (argument->name, value, why);
  default:
    return check_string (argument->type, argument->name, value, why);
  }
}

static int
check_arguments (const struct control_command *command, json_object *arguments,
                 struct failure *why)
{
  const struct control_argument *a;
  char quoted[CONTROL_QUOTE_MAX];
  int r;

  if (arguments != NULL && !json_object_is_type (arguments, json_type_object))
    return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL,
                        "arguments of %s must be an object", command->verb);
  if (arguments != NULL) {
    json_object_object_foreach (arguments, key, value) {
      a = control_argument_find (command, key);
      if (a == NULL)
        return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL,
                            "%s has no argument \"%s\"", command->verb,
                            control_quote (key, quoted));
      r = check_argument (a, value, why);
      if (r < 0)
        return r;
    }
  }
  for (a = command->arguments; a->name != NULL; a++)
    if ((a->flags & CONTROL_REQUIRED) != 0 &&
        !json_object_object_get_ex (arguments, a->name, NULL))
      return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL,
                          "%s needs the argument \"%s\"", command->verb,
                          a->name);
  return 0;
}

int
control_arguments_decode (const struct control_command *command,
                          json_object *json,
                          struct control_arguments **arguments,
                          struct failure *why)
{
  struct control_arguments *new;
  int r = check_arguments (command, json, why);

  if (r < 0)
    return r;
  new = calloc (1, command->size);
  if (new != NULL) {
    new->command = command;
    /* A copy: others may hold references, and these are not for several
     * threads. */
    if (json == NULL)
      new->json = json_object_new_object ();
    else if (json_object_deep_copy (json, &new->json, NULL) < 0)
      new->json = NULL;
  }
  if (new == NULL || new->json == NULL) {
    free (new);
    return failure_set (why, FAILURE_GENERIC, ENOMEM, "out of memory");
  }
  command->fill (new);
  *arguments = new;
  return 0;
}

void
control_arguments_free (struct control_arguments *arguments)
{
  if (arguments != NULL)
    json_object_put (arguments->json);
  free (arguments);
}
