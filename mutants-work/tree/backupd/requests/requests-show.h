/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Parts of replies.  New objects. */
#ifndef PULLBACK_REQUESTS_SHOW_H
#define PULLBACK_REQUESTS_SHOW_H

#include <json-c/json.h>

#include "catalog.h"
#include "domain-registry.h"
#include "qmp-disk.h"

json_object *requests_show_checkpoint (const struct checkpoint *c);
json_object *requests_show_disk (const struct qmp_disk *disk);

/* {"xml": TEXT}; takes TEXT over. */
json_object *requests_show_xml (char *text);

/* {KEY: [what ADD adds to the list of each domain]}. */
json_object *requests_show_all (struct domain_registry *registry, const char *key,
                                void (*add) (struct domain *domain, void *list));

#endif
