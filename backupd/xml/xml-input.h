/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The one way text becomes an XML document, whoever wrote it, and how its
 * values are read.
 *
 * No network, no external entities, no DTD at all (so no entity but the five
 * of XML itself), and the limits below.  Elements are looked for without a
 * namespace, those of pullback's own in XML_OWN_NAMESPACE.  Texts are new and
 * freed with g_free.  Errors are FAILURE_BAD_ARGUMENT and name element and
 * value.  Threads: reentrant. */
#ifndef PULLBACK_XML_INPUT_H
#define PULLBACK_XML_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "failure.h"

/* Bytes.  People may give CONTROL_XML_MAX; what is stored of that, escaped, is up to
 * six times as long. */
#define XML_INPUT_MAX (8 * 1024 * 1024)
/* A chain of backing files nests in a domain's XML, up to 200 deep. */
#define XML_DEPTH_MAX 240
#define XML_ELEMENTS_MAX 20000
#define XML_OWN_NAMESPACE "https://pullback.invalid/checkpoint/1"

/* libxml2's. */
typedef struct _xmlDoc xml_document;
typedef struct _xmlNode xml_node;

/* Parses TEXT; WHERE names it in sentences ("the checkpoint XML").  ROOT is
 * the name its root element must have; NULL: any. */
int xml_parse (const char *text, size_t length, const char *where, const char *root,
               xml_document **document, struct failure *why) WARN_UNUSED;
void xml_document_free (xml_document *document);
const xml_node *xml_document_root (const xml_document *document);

/* The first child NAME, and the next sibling of the same name; NULL: none.
 * NODE may be NULL. */
const xml_node *xml_child (const xml_node *node, const char *name);
const xml_node *xml_own_child (const xml_node *node, const char *name);
/* The same in the namespace SPACE. */
const xml_node *xml_child_in (const xml_node *node, const char *name, const char *space);
const xml_node *xml_next (const xml_node *node);
/* NODE or the first of its siblings of the same name. */
const xml_node *xml_first_of (const xml_node *node);

/* Of each of NAMES (NULL-terminated) NODE may have one child; what a second one would
 * mean is not guessed. */
int xml_check_once (const xml_node *node, const char *const *names, struct failure *why) WARN_UNUSED;

/* NULL where there is no such attribute or child. */
char *xml_attribute (const xml_node *node, const char *name);
char *xml_own_attribute (const xml_node *node, const char *name);
char *xml_text (const xml_node *node);
/* The text of the first child NAME, without white space around it. */
char *xml_child_text (const xml_node *node, const char *name);

/* "domainbackup/disks/disk 2: backup='maybe': RULE".  ATTRIBUTE NULL: the
 * node's text.  VALUE NULL: it is missing.  Returns -EINVAL. */
int xml_bad_value (const xml_node *node, const char *attribute, const char *value,
                   const char *rule, struct failure *why);

/* The index of attribute NAME's value in CHOICES (NULL-terminated), FALLBACK
 * if there is no such attribute. */
int xml_choice (const xml_node *node, const char *name, const char *const *choices,
                int fallback, int *choice, struct failure *why) WARN_UNUSED;

/* Decimal digits and nothing else, at most MAX. */
bool xml_number (const char *text, uint64_t max, uint64_t *number);

#endif
