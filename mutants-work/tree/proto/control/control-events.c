/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whoever waits for an event must be able to rely on the list of them, so that it
 * is a table, and what is sent can be compared with it. */
#include <config.h>

#include <stddef.h>
#include <string.h>

#include "control-events.h"
#include "json-members.h"

static const struct control_event events[] = {
#define EVENT(name, message_id, members) { #name, message_id, members },
#include "control-events.tbl.h"
  { .name = NULL }
};

const struct control_event *
control_events (void)
{
  return events;
}

const struct control_event *
control_event_find (const char *name)
{
  const struct control_event *event;

  for (event = events; event->name != NULL; event++)
    if (strcmp (event->name, name) == 0)
      return event;
  return NULL;
}

/* Is WORD one of WORDS, which blanks separate? */
static bool
has_word (const char *words, const char *word)
{
  size_t length = strlen (word);
  const char *at = words;

  while ((at = strstr (at, word)) != NULL) {
    if ((at == words || at[-1] == ' ') &&
        (at[length] == ' ' || at[length] == '\0'))
      return true;
    at += length;
  }
  return false;
}

bool
control_event_is_known (const char *name, json_object *data)
{
  const struct control_event *event = control_event_find (name);

  if (event == NULL || json_get_string (data, "domain") == NULL)
    return false;
  json_object_object_foreach (data, key, value) {
    (void) value;
    if (strcmp (key, "domain") != 0 && !has_word (event->members, key))
      return false;
  }
  return true;
}
