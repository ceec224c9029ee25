/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Checkpoints and disks as replies.  New objects. */
#ifndef PULLBACK_DOMAIN_SHOW_H
#define PULLBACK_DOMAIN_SHOW_H

#include <json-c/json.h>

#include "catalog.h"
#include "qmp-disk.h"

json_object *show_checkpoint (const struct checkpoint *c);
json_object *show_disk (const struct qmp_disk *disk);

/* Adds a string; NULL: nothing. */
void show_text (json_object *object, const char *key, const char *text);

#endif
