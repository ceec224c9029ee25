/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Documents that are made to do harm, and how values are read. */
#include <config.h>

#undef NDEBUG
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <glib.h>

#include "test-xml.h"
#include "xml-input.h"
#include "xml-output.h"

static int
parse (const char *text, struct failure *why)
{
  xml_document *document = NULL;
  int r = xml_parse (text, strlen (text), "the text", "a", &document, why);

  if (r == 0)
    xml_document_free (document);
  return r;
}

static const struct bad_document bad[] = {
  { "", "the text is not well-formed" },
  { "no XML", "not well-formed" },
  { "<a>", "not well-formed" },
  { "<a></b>", "line 1" },
  { "<a>&unknown;</a>", "not well-formed" },
  { "<a b='1' b='2'/>", "not well-formed" },
  { "<a>\x01</a>", "not well-formed" },
  { "<a>\xff\xfe</a>", "not well-formed" },
  { "<b/>", "<b>" },
  { "<a xmlns:x='y'/><a/>", "not well-formed" },
  { "<!DOCTYPE a><a/>", "DOCTYPE" },
  { "<!DOCTYPE a SYSTEM 'http://127.0.0.1:1/x.dtd'><a/>", "DOCTYPE" },
  { "<!DOCTYPE a [<!ENTITY e SYSTEM 'file:///etc/passwd'>]><a>&e;</a>",
    "DOCTYPE" },
  { "<!DOCTYPE a [<!ENTITY b 'bbbbbbbbbb'><!ENTITY c '&b;&b;&b;&b;&b;&b;'>"
    "<!ENTITY d '&c;&c;&c;&c;&c;&c;'><!ENTITY e '&d;&d;&d;&d;&d;&d;&d;&d;'>"
    "<!ENTITY f '&e;&e;&e;&e;&e;&e;&e;&e;'>]><a>&f;&f;&f;&f;</a>",
    "DOCTYPE" },
  { "<!DOCTYPE a [<!ENTITY % p SYSTEM 'file:///etc/passwd'> %p;]><a/>",
    "DOCTYPE" },
  { "<!DOCTYPE a [<!ATTLIST a b CDATA 'c'>]><a/>", "DOCTYPE" },
  { NULL, NULL }
};

/* A pipe that nobody writes to: whoever opens it hangs or is seen. */
static void
test_external (void)
{
  char folder[] = "/tmp/test-xml-XXXXXX";
  g_autofree char *path = NULL, *text = NULL;
  struct failure why = { .error = 0 };

  assert (mkdtemp (folder) != NULL);
  path = g_build_filename (folder, "secret", NULL);
  assert (g_file_set_contents (path, "secret", -1, NULL));
  text = g_strdup_printf ("<!DOCTYPE a [<!ENTITY e SYSTEM 'file://%s'>]>"
                          "<a>&e;</a>", path);
  assert (parse (text, &why) < 0);
  assert (strstr (why.text, "secret") == NULL);
  /* XInclude is no DTD; it is not processed. */
  g_free (text);
  text = g_strdup_printf ("<a xmlns:i='http://www.w3.org/2001/XInclude'>"
                          "<i:include href='%s' parse='text'/></a>", path);
  why.error = 0;
  {
    xml_document *document = NULL;
    g_autofree char *content = NULL;

    test_good (xml_parse (text, strlen (text), "the text", "a", &document,
                          &why), &why);
    content = xml_text (xml_document_root (document));
    assert (strstr (content, "secret") == NULL);
    xml_document_free (document);
  }
  unlink (path);
  rmdir (folder);
}

static char *
repeat (const char *head, const char *piece, size_t n, const char *tail)
{
  GString *text = g_string_new (head);

  while (n-- > 0)
    g_string_append (text, piece);
  g_string_append (text, tail);
  return g_string_free (text, FALSE);
}

static void
expect (const char *text, const char *says)
{
  const struct bad_document one[] = { { text, says }, { NULL, NULL } };
  struct failure why = { .error = 0 };

  if (says != NULL)
    test_bad_documents (one, parse);
  else
    test_good (parse (text, &why), &why);
}

static void
test_limits (void)
{
  g_autofree char *large = repeat ("<a>", "0123456789abcdef",
                                    XML_INPUT_MAX / 16, "</a>");
  g_autofree char *most = repeat ("<a>", "<b/>", XML_ELEMENTS_MAX - 1, "</a>");
  g_autofree char *many = repeat ("<a>", "<b/>", XML_ELEMENTS_MAX, "</a>");
  g_autofree char *values = repeat ("<a>", "<b c='' d='' e='' f='' g='' h=''"
                                    " i='' j=''/>", XML_ELEMENTS_MAX / 2,
                                    "</a>");
  g_autofree char *opened = repeat ("<a>", "<a>", XML_DEPTH_MAX - 1, "");
  g_autofree char *closed = repeat ("", "</a>", XML_DEPTH_MAX, "");
  g_autofree char *deep = g_strconcat (opened, closed, NULL);
  g_autofree char *deeper = g_strconcat ("<a>", opened, closed, "</a>", NULL);
  g_autofree char *bottomless = repeat ("<a>", "<a>", 100000, "");

  expect (large, "too large");
  expect (most, NULL);
  expect (many, "too many elements");
  expect (values, "too many elements");
  expect (deep, NULL);
  expect (deeper, "nested too deep");
  expect (bottomless, "nested too deep");
}

static void
test_values (void)
{
  static const char text[] =
    "<a><b k='x&amp;&#65;&quot;y'> one <!-- not --> <![CDATA[<two>]]> </b>"
    "<p:b xmlns:p='" XML_OWN_NAMESPACE "' p:k='own' k='none'>mine</p:b>"
    "<b k='second'/><o:b xmlns:o='urn:other' o:k='1'>theirs</o:b></a>";
  static const char *const choices[] = { "first", "second", NULL };
  struct failure why = { .error = 0 };
  xml_document *document = NULL;
  const xml_node *root, *b;
  g_autofree char *k = NULL, *content = NULL, *own = NULL, *k_own = NULL;
  int choice = 7;

  test_good (xml_parse (text, strlen (text), "the text", NULL, &document,
                        &why), &why);
  root = xml_document_root (document);
  b = xml_child (root, "b");
  k = xml_attribute (b, "k");
  content = xml_child_text (root, "b");
  assert (strcmp (k, "x&A\"y") == 0);
  assert (strcmp (content, "one  <two>") == 0);
  own = xml_text (xml_own_child (root, "b"));
  k_own = xml_own_attribute (xml_own_child (root, "b"), "k");
  assert (strcmp (own, "mine") == 0 && strcmp (k_own, "own") == 0);
  assert (xml_choice (b, "k", choices, 0, &choice, &why) < 0 && choice == 7);
  assert (strstr (why.text, "a/b 1 has k='x&A\"y'") != NULL);
  assert (strstr (why.text, "first, second") != NULL);
  b = xml_next (b);
  why.error = 0;
  test_good (xml_choice (b, "k", choices, 0, &choice, &why), &why);
  assert (choice == 1 && xml_next (b) == NULL);
  test_good (xml_choice (b, "none", choices, 5, &choice, &why), &why);
  assert (choice == 5 && xml_child (NULL, "b") == NULL);
  xml_document_free (document);
}

static void
test_numbers (void)
{
  uint64_t number = 5;

  assert (xml_number ("0", 0, &number) && number == 0);
  assert (xml_number ("18446744073709551615", UINT64_MAX, &number));
  assert (number == UINT64_MAX);
  assert (!xml_number ("18446744073709551616", UINT64_MAX, &number));
  assert (!xml_number ("11", 10, &number) && !xml_number ("", 10, &number));
  assert (!xml_number ("-1", 10, &number) && !xml_number ("1 ", 10, &number));
  assert (!xml_number (" 1", 10, &number) && !xml_number (NULL, 1, &number));
  assert (!xml_number ("+1", 10, &number) && !xml_number ("0x1", 10, &number));
}

/* Whatever is written can be read, and is the same. */
static void
test_output (void)
{
  static const char nasty[] = "a <b> & 'c' \"d\" \n\t\r \xc3\xa4 ]]>";
  struct xml_output *output = xml_output_create ();
  struct failure why = { .error = 0 };
  xml_document *document = NULL;
  g_autofree char *text = NULL, *attribute = NULL, *content = NULL;

  xml_open (output, "a");
  xml_put (output, "k", nasty);
  xml_put (output, "none", NULL);
  xml_put_element (output, "b", nasty);
  xml_put_element (output, "none", NULL);
  xml_put_element (output, "broken", "\x01\xff\xed\xa0\x80x");
  text = xml_output_finish (output);
  test_good (xml_parse (text, strlen (text), "the text", "a", &document,
                        &why), &why);
  attribute = xml_attribute (xml_document_root (document), "k");
  content = xml_text (xml_child (xml_document_root (document), "b"));
  assert (strcmp (attribute, nasty) == 0 && strcmp (content, nasty) == 0);
  assert (strstr (text, "none") == NULL);
  xml_document_free (document);
}

int
main (void)
{
  test_bad_documents (bad, parse);
  test_external ();
  test_limits ();
  test_values ();
  test_numbers ();
  test_output ();
  return 0;
}
