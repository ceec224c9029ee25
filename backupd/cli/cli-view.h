/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What people see of the daemon's replies: lines, a table, and what else a function
 * prints.  Each command has a view, cli_view_ID of cli-view-FAMILY.c. */
#ifndef PULLBACK_CLI_VIEW_H
#define PULLBACK_CLI_VIEW_H

#include <json-c/json.h>

#include "cli-table.h"
#include "control-commands.h"

/* Member KEY of an object, as FORMAT has it (NULL: a string); absent or null: no line,
 * or "-" in a table. */
struct cli_item {
  const char *title;            /* NULL ends a list of them */
  const char *key;
  char *(*format) (json_object *object, const char *key);       /* free with g_free */
};

struct cli_view {
  const struct cli_item *lines; /* of the reply; NULL: none */
  const char *list;             /* the member whose elements are rows; NULL: no table */
  const struct cli_item *columns;
  /* The last thing; NULL: nothing.  ARGUMENTS are those of the request. */
  void (*print) (json_object *arguments, json_object *reply);
};

#define COMMAND(id, ...) extern const struct cli_view cli_view_##id;
#include "control-commands.tbl.h"

/* Prints REPLY, which the command of ARGUMENTS has got. */
void cli_view_print (const struct control_arguments *arguments, json_object *reply);

/* --- for the views -------------------------------------------------- */

#define CLI_ITEMS(...) (const struct cli_item[]) { __VA_ARGS__, { .title = NULL } }

/* Formats. */
char *cli_view_size (json_object *object, const char *key);
char *cli_view_time (json_object *object, const char *key);
char *cli_view_number (json_object *object, const char *key);
char *cli_view_seconds (json_object *object, const char *key);
char *cli_view_ms (json_object *object, const char *key);
/* "vda, vdb": the names of the objects in the list KEY. */
char *cli_view_names (json_object *object, const char *key);

/* A line of its own, without control characters. */
void cli_view_say (const char *format, ...) __attribute__ ((format (printf, 1, 2)));

/* A table of the objects in LIST (NULL: none), or one that is filled row by row, in
 * part by hand. */
void cli_view_rows (json_object *list, const struct cli_item *columns);
struct cli_table *cli_view_table (const struct cli_item *columns);
void cli_view_row (struct cli_table *table, const struct cli_item *columns, json_object *object);

/* The disks in the list "skipped" of INFO, with why. */
void cli_view_skipped (json_object *info);

/* The document in member "xml", if it is there. */
void cli_view_print_xml (json_object *arguments, json_object *reply);

#endif
