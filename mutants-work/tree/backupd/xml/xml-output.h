/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Writing an XML document, element by element, indented as virsh does it. */
#ifndef PULLBACK_XML_OUTPUT_H
#define PULLBACK_XML_OUTPUT_H

#include <stdint.h>

struct xml_output;

struct xml_output *xml_output_create (void);
/* The document; free it with g_free.  Frees OUTPUT. */
char *xml_output_finish (struct xml_output *output);

/* Opens an element; attributes may follow. */
void xml_open (struct xml_output *output, const char *name);
/* VALUE NULL: nothing.  What XML cannot hold is written as '?'. */
void xml_put (struct xml_output *output, const char *attribute, const char *value);
void xml_put_number (struct xml_output *output, const char *attribute, uint64_t value);
void xml_close (struct xml_output *output);

/* <NAME>TEXT</NAME>; TEXT NULL: nothing. */
void xml_put_element (struct xml_output *output, const char *name, const char *text);

#endif
