/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The table of the events that the daemon sends to its clients.  Threads: reentrant; the
 * table is constant. */
#ifndef PULLBACK_CONTROL_EVENTS_H
#define PULLBACK_CONTROL_EVENTS_H

#include <stdbool.h>

#include <json-c/json.h>

struct control_event {
  const char *name;             /* "BACKUP_ENDED"; NULL ends the table */
  const char *message_id;       /* 32 hexadecimal digits: what the journal knows it by */
  const char *sentence;         /* there, with {member} of its data */
  const char *members;          /* of its data beside "domain", separated by blanks */
};

const struct control_event *control_events (void);

/* NULL: there is no such event. */
const struct control_event *control_event_find (const char *name);

/* Is NAME an event, and does its DATA name the domain (or the restore) and have no member that the table does
 * not have? */
bool control_event_is_known (const char *name, json_object *data);

/* Puts it into the journal, with its members as fields, if that takes any (log_has_fields).  DATA
 * is borrowed. */
void control_event_log (const char *name, json_object *data);

#endif
