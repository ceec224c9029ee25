/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Changing a document that xml_parse has read, and writing it again.  Elements are those without a
 * namespace; the others, and their order, stay.  Threads: reentrant; of one document, one at a
 * time. */
#ifndef PULLBACK_XML_EDIT_H
#define PULLBACK_XML_EDIT_H

#include "xml-input.h"

xml_node *xml_edit_root (xml_document *document);

/* The first child of NODE, which may be NULL, and what follows NODE beside it; NAME NULL: of any
 * name.  NULL: none. */
xml_node *xml_edit_first (xml_node *node, const char *name);
xml_node *xml_edit_next (xml_node *node, const char *name);

const char *xml_edit_name (const xml_node *node);

/* Is VALUE that of NODE's attribute NAME?  NULL: it has none. */
bool xml_edit_is (const xml_node *node, const char *name, const char *value);

/* The first child NAME, which is made where there is none. */
xml_node *xml_edit_need (xml_node *node, const char *name);

/* NODE may be NULL: then nothing.  VALUE NULL: there is none any more. */
void xml_edit_attribute (xml_node *node, const char *name, const char *value);

/* In the place of all that is in NODE; TEXT NULL: nothing. */
void xml_edit_text (xml_node *node, const char *text);

/* NODE and what is in it; NULL: nothing. */
void xml_edit_remove (xml_node *node);

/* Indented, without <?xml ...?>; a new string. */
char *xml_edit_print (xml_document *document);

#endif
