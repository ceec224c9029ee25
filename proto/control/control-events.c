/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whoever waits for an event must be able to rely on the list of them, so that it
 * is a table, and what is sent can be compared with it. */
#include <config.h>

#include <ctype.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "control-events.h"
#include "json-members.h"
#include "log.h"

/* Room for the fields of an event. */
#define FIELDS_SIZE 16384
#define FIELD_PREFIX "PULLBACK_"

static const struct control_event events[] = {
#define EVENT(name, message_id, sentence, members) \
  { #name, message_id, sentence, members },
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

  if (event == NULL ||
      json_get_string (data, has_word (event->members, "restore")
                             ? "restore" : "domain") == NULL)
    return false;
  json_object_object_foreach (data, key, value) {
    (void) value;
    if (strcmp (key, "domain") != 0 && !has_word (event->members, key))
      return false;
  }
  return true;
}

/* --- in the journal ------------------------------------------------------ */

/* SENTENCE with the members of DATA in it. */
static void
make_text (const char *sentence, json_object *data, char *text, size_t size)
{
  size_t used = 0;

  while (*sentence != '\0' && used < size - 1) {
    const char *end = *sentence == '{' ? strchr (sentence, '}') : NULL;
    char key[32];
    int n;

    if (end == NULL) {
      text[used++] = *sentence++;
      continue;
    }
    snprintf (key, sizeof key, "%.*s", (int) (end - sentence - 1),
              sentence + 1);
    n = snprintf (text + used, size - used, "%s", json_object_get_string (
                    json_object_object_get (data, key)));
    used += (size_t) n < size - used ? (size_t) n : size - used - 1;
    sentence = end + 1;
  }
  text[used] = '\0';
}

/* The field of "duration-ms" is PULLBACK_DURATION_MS. */
static void
add_member (struct log_fields *fields, const char *key, json_object *value)
{
  char name[64] = FIELD_PREFIX;
  size_t i, used = strlen (name);

  for (; *key != '\0' && used < sizeof name - 1; key++)
    name[used++] = *key == '-' ? '_' : (char) toupper ((unsigned char) *key);
  name[used] = '\0';
  if (!json_object_is_type (value, json_type_array)) {
    log_fields_add (fields, name, json_object_get_string (value));
    return;
  }
  /* Disks: a field for each, of its name. */
  for (i = 0; i < json_length (value); i++) {
    const char *disk = json_get_string (json_object_array_get_idx (value, i),
                                        "name");

    if (disk != NULL)
      log_fields_add (fields, FIELD_PREFIX "DISK", disk);
  }
}

void
control_event_log (const char *name, json_object *data)
{
  const struct control_event *event = control_event_find (name);
  const struct log_subject about = log_subject ();
  char text[LOG_TEXT_SIZE], room[FIELDS_SIZE];
  struct log_entry entry;

  if (event == NULL || !log_has_fields ())
    return;
  make_text (event->sentence, data, text, sizeof text);
  /* The domain is a member. */
  log_set_domain (NULL);
  log_entry_start (&entry, room, sizeof room, LOG_LEVEL_NOTICE, text);
  log_set_subject (&about);
  log_fields_add (&entry.fields, "MESSAGE_ID", event->message_id);
  log_fields_add (&entry.fields, FIELD_PREFIX "EVENT", name);
  json_object_object_foreach (data, key, value)
    if (value != NULL)
      add_member (&entry.fields, key, value);
  log_entry_send (&entry);
}
