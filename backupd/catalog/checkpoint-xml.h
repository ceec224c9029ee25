/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A checkpoint as <domaincheckpoint> XML.  Threads: reentrant. */
#ifndef PULLBACK_CHECKPOINT_XML_H
#define PULLBACK_CHECKPOINT_XML_H

#include "catalog.h"
#include "xml-input.h"

#define CHECKPOINT_XML_MAX XML_INPUT_MAX        /* bytes of a file */

/* Reads TEXT; *C is new.  WHERE names the document in sentences. */
int checkpoint_xml_parse (const char *text, size_t length, const char *where,
                          struct checkpoint **c, struct failure *why) WARN_UNUSED;

/* C as a document; free () it.  -EINVAL if a text of C is not UTF-8. */
int checkpoint_xml_format (const struct checkpoint *c, char **text,
                           size_t *length) WARN_UNUSED;

/* NULL: out of memory. */
struct checkpoint *checkpoint_copy (const struct checkpoint *c);
void checkpoint_destroy (struct checkpoint *c);

#endif
