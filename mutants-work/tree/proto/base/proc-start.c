/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <stdio.h>
#include <string.h>

#include "proc-start.h"

/* Of proc(5): the first two fields are the pid and the name, in brackets and with
 * anything in it. */
#define FIELD_STATE 3
#define FIELD_START 22

bool
proc_start_time (pid_t pid, char start[PROC_START_SIZE])
{
  char path[64], text[1024], *field, *rest;
  FILE *file;
  size_t n;

  snprintf (path, sizeof path, "/proc/%d/stat", (int) pid);
  file = fopen (path, "re");
  if (file == NULL)
    return false;
  n = fread (text, 1, sizeof text - 1, file);
  fclose (file);
  text[n] = '\0';
  rest = strrchr (text, ')');
  if (rest == NULL)
    return false;
  rest++;
  for (int i = FIELD_STATE; i <= FIELD_START; i++) {
    field = strtok_r (rest, " ", &rest);
    if (field == NULL || (i == FIELD_STATE && strchr ("ZX", *field) != NULL))
      return false;
  }
  snprintf (start, PROC_START_SIZE, "%s", field);
  return true;
}
