/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Not by xml-output: what is in a document that nobody here knows must be there afterwards. */
#include <config.h>

#include <string.h>

#include <glib.h>
#include <libxml/tree.h>

#include "xml-edit.h"

/* --- going through it ---------------------------------------------------------- */

xml_node *
xml_edit_root (xml_document *document)
{
  return xmlDocGetRootElement (document);
}

static xml_node *
find_from (xml_node *node, const char *name)
{
  while (node != NULL &&
         (node->type != XML_ELEMENT_NODE || node->ns != NULL ||
          (name != NULL && strcmp ((const char *) node->name, name) != 0)))
    node = node->next;
  return node;
}

xml_node *
xml_edit_first (xml_node *node, const char *name)
{
  return node == NULL ? NULL : find_from (node->children, name);
}

xml_node *
xml_edit_next (xml_node *node, const char *name)
{
  return find_from (node->next, name);
}

const char *
xml_edit_name (const xml_node *node)
{
  return (const char *) node->name;
}

bool
xml_edit_is (const xml_node *node, const char *name, const char *value)
{
  g_autofree char *found = xml_attribute (node, name);

  return g_strcmp0 (found, value) == 0;
}

/* --- changing it ----------------------------------------------------------------- */

xml_node *
xml_edit_need (xml_node *node, const char *name)
{
  xml_node *child = xml_edit_first (node, name);

  return child != NULL ? child
         : xmlNewChild (node, NULL, (const xmlChar *) name, NULL);
}

void
xml_edit_attribute (xml_node *node, const char *name, const char *value)
{
  if (node == NULL)
    return;
  if (value != NULL)
    xmlSetProp (node, (const xmlChar *) name, (const xmlChar *) value);
  else
    xmlUnsetProp (node, (const xmlChar *) name);
}

void
xml_edit_text (xml_node *node, const char *text)
{
  if (node == NULL)
    return;
  xmlNodeSetContent (node, NULL);
  if (text != NULL)
    xmlNodeAddContent (node, (const xmlChar *) text);
}

void
xml_edit_remove (xml_node *node)
{
  if (node == NULL)
    return;
  xmlUnlinkNode (node);
  xmlFreeNode (node);
}

char *
xml_edit_print (xml_document *document)
{
  xmlBuffer *buffer = xmlBufferCreate ();
  char *text;

  xmlNodeDump (buffer, document, xmlDocGetRootElement (document), 0, 1);
  text = g_strconcat ((const char *) xmlBufferContent (buffer), "\n", NULL);
  xmlBufferFree (buffer);
  return text;
}
