/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Documents come from whoever may talk to the daemon: so the limits hold while the
 * parser builds the tree, not on what it has built, and a DOCTYPE stops it before there
 * is an entity to expand. */
#include <config.h>

#include <errno.h>
#include <string.h>

#include <glib.h>
#include <libxml/SAX2.h>
#include <libxml/parser.h>
#include <libxml/tree.h>
#include <libxml/xmlerror.h>

#include "xml-input.h"

/* --- parsing -------------------------------------------------------- */

struct limits {
  size_t elements, depth;
  const char *fault;            /* why the parser was stopped; NULL: it was not */
};

static void
stop (xmlParserCtxt *context, const char *fault)
{
  struct limits *limits = context->_private;

  if (limits->fault == NULL)
    limits->fault = fault;
  xmlStopParser (context);
}

static void
on_doctype (void *opaque, const xmlChar *name, const xmlChar *external,
            const xmlChar *system)
{
  (void) name;
  (void) external;
  (void) system;
  stop (opaque, "has a DOCTYPE, which is not allowed");
}

static void
on_start (void *opaque, const xmlChar *name, const xmlChar *prefix,
          const xmlChar *uri, int n_namespaces, const xmlChar **namespaces,
          int n_attributes, int n_defaulted, const xmlChar **attributes)
{
  xmlParserCtxt *context = opaque;
  struct limits *limits = context->_private;

  if (limits->fault != NULL)
    return;
  limits->elements += 1 + (size_t) n_attributes / 4;
  if (limits->elements > XML_ELEMENTS_MAX)
    stop (context, "has too many elements (more than "
          G_STRINGIFY (XML_ELEMENTS_MAX) ")");
  else if (++limits->depth > XML_DEPTH_MAX)
    stop (context, "is nested too deep (more than "
          G_STRINGIFY (XML_DEPTH_MAX) " levels)");
  else
    xmlSAX2StartElementNs (context, name, prefix, uri, n_namespaces,
                           namespaces, n_attributes, n_defaulted, attributes);
}

static void
on_end (void *opaque, const xmlChar *name, const xmlChar *prefix,
        const xmlChar *uri)
{
  xmlParserCtxt *context = opaque;
  struct limits *limits = context->_private;

  if (limits->fault != NULL)
    return;
  limits->depth--;
  xmlSAX2EndElementNs (context, name, prefix, uri);
}

static int
parse_fault (const xmlParserCtxt *context, const struct limits *limits,
             const char *where, struct failure *why)
{
  const xmlError *error = &context->lastError;
  const char *message = error->message == NULL ? "" : error->message;

  if (limits->fault != NULL)
    return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL, "%s %s", where,
                        limits->fault);
  return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL,
                      "%s is not well-formed XML: line %d: %.*s", where,
                      error->line, (int) MIN (strcspn (message, "\n"), 200),
                      message);
}

static int
check_root (const xml_document *document, const char *where,
            const char *root, struct failure *why)
{
  const xml_node *node = xml_document_root (document);
  const char *name = node == NULL ? "" : (const char *) node->name;

  if (node != NULL && (root == NULL || strcmp (name, root) == 0))
    return 0;
  return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL,
                      "%s is not a <%s> document: its root element is <%.64s>",
                      where, root == NULL ? "" : root, name);
}

int
xml_parse (const char *text, size_t length, const char *where,
           const char *root, xml_document **document, struct failure *why)
{
  struct limits limits = { .elements = 0 };
  xmlParserCtxt *context;
  xmlDoc *parsed;
  int r = 0;

  if (length > XML_INPUT_MAX)
    return failure_set (why, FAILURE_BAD_ARGUMENT, EFBIG,
                        "%s is too large: %zu bytes, at most %d are allowed",
                        where, length, XML_INPUT_MAX);
  context = xmlNewParserCtxt ();
  if (context == NULL)
    return failure_set (why, FAILURE_GENERIC, ENOMEM, "out of memory");
  context->_private = &limits;
  context->sax->internalSubset = on_doctype;
  context->sax->startElementNs = on_start;
  context->sax->endElementNs = on_end;
  parsed = xmlCtxtReadMemory (context, text, (int) length, NULL, NULL,
                              XML_PARSE_NONET | XML_PARSE_NOERROR |
                              XML_PARSE_NOWARNING | XML_PARSE_NOBLANKS |
                              XML_PARSE_NOCDATA);
  if (parsed == NULL || limits.fault != NULL)
    r = parse_fault (context, &limits, where, why);
  if (r == 0)
    r = check_root (parsed, where, root, why);
  xmlFreeParserCtxt (context);
  if (r < 0)
    xmlFreeDoc (parsed);
  else
    *document = parsed;
  return r;
}

void
xml_document_free (xml_document *document)
{
  xmlFreeDoc (document);
}

const xml_node *
xml_document_root (const xml_document *document)
{
  return xmlDocGetRootElement (document);
}

/* --- going through it ----------------------------------------------- */

static bool
is_element (const xml_node *node, const char *name, const char *space)
{
  const char *href =
    node->ns == NULL ? NULL : (const char *) node->ns->href;

  return node->type == XML_ELEMENT_NODE &&
         strcmp ((const char *) node->name, name) == 0 &&
         g_strcmp0 (href, space) == 0;
}

static const xml_node *
find_element (const xml_node *node, const char *name, const char *space)
{
  while (node != NULL && !is_element (node, name, space))
    node = node->next;
  return node;
}

const xml_node *
xml_child (const xml_node *node, const char *name)
{
  return node == NULL ? NULL : find_element (node->children, name, NULL);
}

const xml_node *
xml_child_in (const xml_node *node, const char *name, const char *space)
{
  return node == NULL ? NULL : find_element (node->children, name, space);
}

const xml_node *
xml_own_child (const xml_node *node, const char *name)
{
  return xml_child_in (node, name, XML_OWN_NAMESPACE);
}

const xml_node *
xml_next (const xml_node *node)
{
  return find_element (node->next, (const char *) node->name,
                       node->ns == NULL ? NULL
                                        : (const char *) node->ns->href);
}

const xml_node *
xml_first_of (const xml_node *node)
{
  return find_element (node->parent->children, (const char *) node->name,
                       node->ns == NULL ? NULL
                                        : (const char *) node->ns->href);
}

/* Takes libxml2's string over. */
static char *
own_string (xmlChar *text)
{
  char *copy = text == NULL ? NULL : g_strdup ((const char *) text);

  xmlFree (text);
  return copy;
}

char *
xml_attribute (const xml_node *node, const char *name)
{
  return node == NULL
         ? NULL : own_string (xmlGetNoNsProp (node, (const xmlChar *) name));
}

char *
xml_own_attribute (const xml_node *node, const char *name)
{
  return node == NULL
         ? NULL
         : own_string (xmlGetNsProp (node, (const xmlChar *) name,
                                     (const xmlChar *) XML_OWN_NAMESPACE));
}

char *
xml_text (const xml_node *node)
{
  return node == NULL ? NULL : own_string (xmlNodeGetContent (node));
}

char *
xml_child_text (const xml_node *node, const char *name)
{
  char *text = xml_text (xml_child (node, name));

  return text == NULL ? NULL : g_strstrip (text);
}

/* --- values --------------------------------------------------------- */

/* How many siblings of its name NODE is among, and the how many-th. */
static unsigned
position (const xml_node *node, unsigned *n)
{
  const xml_node *sibling;
  unsigned at = 0;

  *n = 0;
  for (sibling = node->parent == NULL ? NULL : node->parent->children;
       sibling != NULL; sibling = sibling->next)
    if (sibling->type == XML_ELEMENT_NODE &&
        strcmp ((const char *) sibling->name, (const char *) node->name) == 0) {
      ++*n;
      if (sibling == node)
        at = *n;
    }
  return at;
}

/* "domainbackup/disks/disk 2" */
static void
add_path (GString *path, const xml_node *node)
{
  unsigned n, at;

  if (node->parent != NULL && node->parent->type == XML_ELEMENT_NODE) {
    add_path (path, node->parent);
    g_string_append_c (path, '/');
  }
  at = position (node, &n);
  g_string_append (path, (const char *) node->name);
  if (n > 1)
    g_string_append_printf (path, " %u", at);
}

int
xml_bad_value (const xml_node *node, const char *attribute,
               const char *value, const char *rule, struct failure *why)
{
  g_autoptr (GString) path = g_string_new (NULL);
  int shown = value == NULL ? 0 : (int) MIN (strlen (value), 80);
  const char *more = value != NULL && strlen (value) > 80 ? "..." : "";

  /* Not through the middle of a character. */
  while (shown == 80 && shown > 70 &&
         ((unsigned char) value[shown] & 0xc0) == 0x80)
    shown--;
  add_path (path, node);
  if (value == NULL && attribute == NULL)
    return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL, "%s: %s",
                        path->str, rule);
  if (value == NULL)
    return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL,
                        "%s has no attribute %s: %s", path->str, attribute,
                        rule);
  if (attribute == NULL)
    return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL,
                        "%s is '%.*s%s': %s", path->str, shown, value, more,
                        rule);
  return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL,
                      "%s has %s='%.*s%s': %s", path->str, attribute, shown,
                      value, more, rule);
}

int
xml_check_once (const xml_node *node, const char *const *names,
                struct failure *why)
{
  for (; *names != NULL; names++) {
    const xml_node *first = xml_child (node, *names);
    const xml_node *second = first == NULL ? NULL : xml_next (first);

    if (second != NULL)
      return xml_bad_value (second, NULL, NULL, "there may be only one: leave "
                            "the others out", why);
  }
  return 0;
}

int
xml_choice (const xml_node *node, const char *name,
            const char *const *choices, int fallback, int *choice,
            struct failure *why)
{
  g_autofree char *value = xml_attribute (node, name);
  g_autofree char *list = NULL, *rule = NULL;
  int i;

  if (value == NULL) {
    *choice = fallback;
    return 0;
  }
  for (i = 0; choices[i] != NULL; i++)
    if (strcmp (value, choices[i]) == 0) {
      *choice = i;
      return 0;
    }
  list = g_strjoinv (", ", (char **) choices);
  rule = g_strconcat ("it must be one of: ", list, NULL);
  return xml_bad_value (node, name, value, rule, why);
}

bool
xml_number (const char *text, uint64_t max, uint64_t *number)
{
  uint64_t value;
  char *end;

  if (text == NULL || text[0] < '0' || text[0] > '9')
    return false;
  errno = 0;
  value = g_ascii_strtoull (text, &end, 10);
  if (errno != 0 || *end != '\0' || value > max)
    return false;
  *number = value;
  return true;
}
