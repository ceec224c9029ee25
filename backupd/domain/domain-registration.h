/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What domain-add was told, and its file STATE/DOMAIN/domain.json. */
#ifndef PULLBACK_DOMAIN_REGISTRATION_H
#define PULLBACK_DOMAIN_REGISTRATION_H

#include <stddef.h>

#include <json-c/json.h>

#include "backup.h"
#include "control-commands.h"
#include "failure.h"
#include "xml-domain.h"

struct domain_registration {
  char *name;
  char *qmp_path;               /* NULL: libvirt has its monitor */
  char *libvirt_uri;            /* NULL: it is not libvirt's */
  char *libvirt_domain;         /* as domain-add was told; NULL then */
  char *libvirt_uuid;           /* which one that was; NULL: not known yet */
  char *libvirt_agent;          /* its guest agent's, as libvirt-agent.h; NULL then */
  char *agent_path;             /* guest agent's socket; NULL: none */
  struct disk_choice *disks;    /* node may be NULL */
  size_t n_disks;
  char *xml_text;               /* <domain>; NULL: not given */
  struct xml_domain *xml;       /* the same, read */
};

/* libvirt has said which one it is. */
void domain_registration_set_uuid (struct domain_registration *registration, const char *uuid);

/* As which its guest agent is known; NULL: there is none. */
const char *domain_registration_agent (const struct domain_registration *registration);

/* Refuses names that are other things in our folders: FAILURE_BAD_ARGUMENT. */
int domain_registration_create (const struct arguments_domain_add *given,
                                struct domain_registration **registration,
                                struct failure *why) WARN_UNUSED;
void domain_registration_destroy (struct domain_registration *registration);

int domain_registration_load (const char *path,
                              struct domain_registration **registration,
                              struct failure *why) WARN_UNUSED;
int domain_registration_store (const struct domain_registration *registration,
                               const char *path, struct failure *why) WARN_UNUSED;

/* The list of "NAME[=NODE]" in LIST (may be NULL) as a new array of *N; free
 * it with domain_choices_free. */
struct disk_choice *domain_choices_parse (json_object *list, size_t *n);
void domain_choices_free (struct disk_choice *choices, size_t n);

#endif
