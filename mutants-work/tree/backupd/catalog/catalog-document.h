/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* <domaincheckpoint>, as people give it, as they are shown it, and as the catalog
 * stores it.
 *
 * What libvirt's format has no word for is in the <metadata> of its <domain>, as
 * elements of XML_OWN_NAMESPACE, so that a checkpoint that was shown can be
 * redefined whole and the document is still valid for libvirt's schema.  An
 * earlier form, with them at the root and as attributes of <disk>, is read too.
 * Threads: reentrant. */
#ifndef PULLBACK_CATALOG_DOCUMENT_H
#define PULLBACK_CATALOG_DOCUMENT_H

#include "catalog-checkpoint.h"
#include "failure.h"

enum catalog_document {
  CATALOG_DOCUMENT_WISH,        /* what a checkpoint is to be: name, description, disks */
  CATALOG_DOCUMENT_KNOWN,       /* one that was made: as it is shown and redefined */
  CATALOG_DOCUMENT_STORED       /* our own file, with what is nobody else's business */
};

/* What people give, a WISH or for a redefinition KNOWN: FAILURE_BAD_ARGUMENT, naming
 * element and value.  A wish may leave out its name and which disks; what only the maker
 * of a checkpoint knows is ignored in it.  Of one that is KNOWN there must be name,
 * creationTime and disks; consumer, domain_uuid and boot_id are NULL where they are not
 * told, and its state does not count. */
int catalog_document_parse (enum catalog_document kind, const char *text,
                            struct checkpoint **c, struct failure *why) WARN_UNUSED;

/* Of a description that people give: at most CATALOG_DESCRIPTION_MAX.  NULL: none. */
int catalog_document_check_description (const char *text, struct failure *why) WARN_UNUSED;

/* What we wrote ourselves: LENGTH bytes of TEXT, called WHERE in sentences.  Elements
 * that are not known are passed over.  FAILURE_STORAGE. */
int catalog_document_parse_stored (const char *text, size_t length, const char *where,
                                   struct checkpoint **c, struct failure *why) WARN_UNUSED;

/* C as a document; free it with g_free.  DOMAIN is the name of its domain; if it is NULL
 * one that is KNOWN says nothing of the domain, and has nothing of our own. */
char *catalog_document_format (enum catalog_document kind, const struct checkpoint *c,
                               const char *domain);

#endif
