/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is an event of the table, and what is none. */
#include <config.h>

#undef NDEBUG
#include <assert.h>
#include <string.h>

#include "control-events.h"

static bool
is_known (const char *name, const char *text)
{
  json_object *data = json_tokener_parse (text);
  bool known = control_event_is_known (name, data);

  json_object_put (data);
  return known;
}

int
main (void)
{
  const struct control_event *event, *other;

  for (event = control_events (); event->name != NULL; event++) {
    assert (control_event_find (event->name) == event);
    assert (strlen (event->message_id) == 32);
    assert (strspn (event->message_id, "0123456789abcdef") == 32);
    for (other = control_events (); other < event; other++)
      assert (strcmp (event->name, other->name) != 0 &&
              strcmp (event->message_id, other->message_id) != 0);
  }
  assert (is_known ("BACKUP_BROKEN", "{\"domain\": \"v\", \"reason\": \"x\"}"));
  assert (is_known ("BACKUP_BROKEN", "{\"domain\": \"v\"}"));
  assert (!is_known ("BACKUP_BROKEN", "{\"reason\": \"x\"}"));
  assert (!is_known ("BACKUP_BROKEN", "{\"domain\": \"v\", \"why\": \"x\"}"));
  assert (!is_known ("BACKUP_BROKEN", "{\"domain\": \"v\", \"reaso\": \"x\"}"));
  assert (!is_known ("BACKUP_LOST", "{\"domain\": \"v\"}"));
  /* Part of a longer member. */
  assert (!is_known ("BACKUP_ENDED", "{\"domain\": \"v\", \"bytes\": 1}"));
  assert (is_known ("BACKUP_ENDED", "{\"domain\": \"v\", \"disks\": []}"));
  return 0;
}
