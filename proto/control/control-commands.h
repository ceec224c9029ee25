/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The command table of the control protocol, and what follows from it: the structs
 * that arguments are decoded into, and their checks.  Threads: reentrant; the table is
 * constant. */
#ifndef PULLBACK_CONTROL_COMMANDS_H
#define PULLBACK_CONTROL_COMMANDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <json-c/json.h>

#include "cleanup.h"
#include "failure.h"

/* Who carries a command out, and where. */
enum control_kind {
  CONTROL_LOCAL,                /* the command line alone: not in the protocol */
  CONTROL_REGISTRY,             /* the thread of the connection */
  /* The thread of the domain that the first argument names: */
  CONTROL_QUICK,                /* others wait for it, a little */
  CONTROL_BEGINNING,            /* takes long; the backup is "beginning" ... */
  CONTROL_ENDING                /* ... or "ending" */
};

enum control_type {
  CONTROL_DOMAIN,               /* string, name_is_domain */
  CONTROL_CHECKPOINT,           /* string, name_is_checkpoint */
  CONTROL_RESTORE,              /* string, name_is_domain */
  CONTROL_PATH,                 /* string, absolute path */
  CONTROL_TCP,                  /* string, [ADDRESS:]PORT */
  CONTROL_TEXT,                 /* string, not empty */
  CONTROL_XML,                  /* string, a document; FILE on the command line */
  CONTROL_DISKS,                /* list of NAME[=NODE] or absolute path */
  CONTROL_IMAGES,               /* list of [DISK=]FILE, an absolute path */
  CONTROL_SOURCES,              /* list of [DISK=]FILE, or URI in its place */
  CONTROL_TEXTS,                /* list of strings, not empty */
  CONTROL_CHECKPOINTS,          /* list of strings, name_is_checkpoint */
  CONTROL_BYTES,                /* whole number, 1 to SIZE_TEXT_MAX; as in size.h
                                 * on the command line */
  CONTROL_PACE,                 /* string, guest-first or off */
  CONTROL_SECONDS,              /* whole number, 0 to CONTROL_SECONDS_MAX */
  CONTROL_BOOL
};

#define CONTROL_SECONDS_MAX 315360000   /* ten years */

#define CONTROL_REQUIRED 1
#define CONTROL_POSITIONAL 2
#define CONTROL_NEW 4           /* no name of what is there already */

struct control_argument {
  const char *name;             /* on the wire; NULL ends the list */
  const char *option;           /* on the command line, without "--" */
  enum control_type type;
  unsigned flags;
  const char *value;            /* placeholder in help; NULL for BOOL */
  const char *help;
};

struct control_arguments;

struct control_command {
  const char *verb;             /* NULL ends the table */
  enum control_kind kind;
  const char *help;
  const struct control_argument *arguments;
  size_t size;                  /* of struct arguments_ID ... */
  void (*fill) (struct control_arguments *arguments);   /* ... from its JSON */
};

struct control_list {
  json_object *array;           /* NULL: not given */
  size_t n;
};

/* How each struct arguments_ID begins: what it is of, and the object that it was
 * decoded from and that its strings and lists are in. */
struct control_arguments {
  const struct control_command *command;
  json_object *json;
};

/* struct arguments_ID of each command: a field for each argument of the table.  Not given:
 * NULL, an empty list, -1 SECONDS or BYTES, false. */
typedef const char *control_field_DOMAIN, *control_field_CHECKPOINT, *control_field_RESTORE, *control_field_PATH,
  *control_field_TCP, *control_field_TEXT, *control_field_XML, *control_field_PACE;
typedef struct control_list control_field_DISKS, control_field_IMAGES, control_field_TEXTS,
  control_field_CHECKPOINTS, control_field_SOURCES;
typedef int64_t control_field_SECONDS, control_field_BYTES;
typedef bool control_field_BOOL;

#define COMMAND(id, ...) struct arguments_##id { struct control_arguments head;
#define ARGUMENT(field, name, option, type, ...) control_field_##type field;
#define END_COMMAND };
#include "control-commands.tbl.h"

/* Bytes of an XML document. */
#define CONTROL_XML_MAX (1024 * 1024)

/* Room for a quoted value in a sentence, see control_quote. */
#define CONTROL_QUOTE_MAX 80

const struct control_command *control_commands (void);
const struct control_command *control_command_find (const char *verb);
const struct control_argument *
control_argument_find (const struct control_command *command,
                       const char *name);

/* Does an argument of TYPE take a list?  Its option may repeat. */
bool control_type_is_list (enum control_type type);

/* Checks JSON (an object, or NULL) for unknown and missing arguments, types and values, and
 * decodes it: *ARGUMENTS is a struct arguments_ID of COMMAND that stands by itself.  On
 * failure: FAILURE_BAD_ARGUMENT. */
int control_arguments_decode (const struct control_command *command, json_object *json,
                              struct control_arguments **arguments,
                              struct failure *why) WARN_UNUSED;
void control_arguments_free (struct control_arguments *arguments);

/* Element I of LIST.  Borrowed. */
const char *control_list_at (const struct control_list *list, size_t i);

/* Splits NAME[=NODE] (an absolute path has no NODE): the length of NAME; *NODE is what follows the '=' in
 * SPEC, or NULL. */
size_t control_disk_split (const char *spec, const char **node);

/* Splits [DISK=]FILE: the length of DISK, 0 where there is none; *PATH is FILE in SPEC.  What has no
 * disk's name before its first "=", as every absolute path, is a FILE. */
size_t control_image_split (const char *spec, const char **path);

/* Is SOURCE, the part after DISK=, a URI and no file? */
bool control_source_is_uri (const char *source);

/* VALUE, shortened so that a sentence can show it.  Returns BUFFER. */
const char *control_quote (const char *value, char buffer[CONTROL_QUOTE_MAX]);

#endif
