/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A table for a terminal: columns as wide as they must be. */
#ifndef PULLBACK_CLI_TABLE_H
#define PULLBACK_CLI_TABLE_H

#include <stddef.h>
#include <stdint.h>

struct cli_table;

struct cli_table *cli_table_create (void);

/* First the title of each column. */
void cli_table_title (struct cli_table *table, const char *title);

/* The next cell, row by row; NULL or "": "-".  Control characters, which a
 * terminal would obey, become '?'. */
void cli_table_add (struct cli_table *table, const char *text);

/* Prints and frees. */
void cli_table_print (struct cli_table *table);

/* TEXT without control characters; free with g_free. */
char *cli_clean (const char *text);

/* 1572864 as "1.5 MiB"; free with g_free. */
char *cli_size (uint64_t bytes);

#endif
