/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#undef NDEBUG
#include <assert.h>
#include <string.h>

#include <glib.h>

#include "catalog-diskspec.h"
#include "catalog-document.h"
#include "test-xml.h"
#include "xml-input.h"

#define HEAD "<domaincheckpoint>"
#define TAIL "</domaincheckpoint>"
#define NAME "<name>c</name>"
#define TIME "<creationTime>5</creationTime>"
#define OWN(inside) "<domain><metadata><p:checkpoint xmlns:p='" \
  XML_OWN_NAMESPACE "'>" inside "</p:checkpoint></metadata></domain>"
#define DISKS(inside) HEAD NAME "<disks>" inside "</disks>" TAIL

static int
parse (const char *text, struct failure *why)
{
  struct checkpoint *c = NULL;
  int r = catalog_document_parse (CATALOG_DOCUMENT_WISH, text, &c, why);

  if (r == 0)
    catalog_checkpoint_destroy (c);
  return r;
}

static int
parse_redefined (const char *text, struct failure *why)
{
  struct checkpoint *c = NULL;
  int r = catalog_document_parse (CATALOG_DOCUMENT_KNOWN, text, &c, why);

  if (r == 0)
    catalog_checkpoint_destroy (c);
  return r;
}

static const struct bad_document bad[] = {
  { "<domainsnapshot/>", "not a <domaincheckpoint>" },
  { HEAD "<name/>" TAIL, "domaincheckpoint/name is ''" },
  { HEAD "<name>.hidden</name>" TAIL, "'.hidden'" },
  { HEAD "<name>a^b</name>" TAIL, "'a^b'" },
  { HEAD "<name>a/b</name>" TAIL, "'a/b'" },
  { DISKS ("<disk checkpoint='bitmap'/>"), "no attribute name" },
  { DISKS ("<disk name='vda' checkpoint='external'/>"),
    "checkpoint='external'" },
  { DISKS ("<disk name='vda' bitmap='d'/>"), "bitmap='d'" },
  { DISKS ("<disk name='vda'/><disk name='vda' checkpoint='no'/>"), "twice" },
  { HEAD "<disks><disk name='vda' bitmap='d'/></disks>" TAIL, "bitmap='d'" },
  { HEAD NAME "<name>d</name>" TAIL, "domaincheckpoint/name 2: there may be" },
  { HEAD "<description/><description/>" TAIL, "description 2" },
  { HEAD "<disks/><disks/>" TAIL, "disks 2" },
  { NULL, NULL }
};

static const struct bad_document bad_redefined[] = {
  { HEAD TIME TAIL, "needs <name>" },
  { HEAD NAME TAIL, "needs <creationTime>" },
  { HEAD NAME "<creationTime>today</creationTime>" TAIL,
    "domaincheckpoint/creationTime is 'today'" },
  { HEAD NAME "<creationTime>-1</creationTime>" TAIL, "'-1'" },
  { HEAD NAME TIME "<parent/>" TAIL, "domaincheckpoint/parent" },
  { HEAD NAME TIME "<parent><name>a b</name></parent>" TAIL, "'a b'" },
  { HEAD NAME TIME "<parent><name>c</name></parent>" TAIL, "own parent" },
  { "<domaincheckpoint xmlns:p='https://pullback.invalid/checkpoint/1'>" NAME
    TIME "<disks><disk name='vda' p:capacity='big'/></disks>" TAIL,
    "capacity='big'" },
  { HEAD NAME TIME OWN ("<p:consumer>a b</p:consumer>") TAIL, "'a b'" },
  { HEAD NAME TIME "<disks><disk name='vda'/></disks>"
    OWN ("<p:disk name='vda' capacity='-1'/>") TAIL, "capacity='-1'" },
  { HEAD NAME TIME TIME TAIL, "creationTime 2" },
  { HEAD NAME TIME "<parent><name>a</name></parent><parent/>" TAIL,
    "parent 2" },
  { HEAD NAME TIME OWN ("") "<domain/>" TAIL, "domain 2" },
  { NULL, NULL }
};

static struct checkpoint *
good (enum catalog_document kind, const char *text)
{
  struct failure why = { .error = 0 };
  struct checkpoint *c = NULL;

  test_good (catalog_document_parse (kind, text, &c, &why), &why);
  return c;
}

static void
round_trip (enum catalog_document kind, const struct checkpoint *c)
{
  g_autofree char *once = catalog_document_format (kind, c, "fedora");
  g_autofree char *twice = NULL;
  struct checkpoint *again = good (kind, once);

  twice = catalog_document_format (kind, again, "fedora");
  assert (strcmp (once, twice) == 0);
  catalog_checkpoint_destroy (again);
}

static void
test_create (void)
{
  g_autofree char *text = test_document ("checkpoint-create.xml");
  struct checkpoint *c = good (CATALOG_DOCUMENT_WISH, "<domaincheckpoint/>");

  assert (c->name == NULL && !c->has_disks);
  round_trip (CATALOG_DOCUMENT_WISH, c);
  catalog_checkpoint_destroy (c);
  c = good (CATALOG_DOCUMENT_WISH, text);
  assert (strcmp (c->name, "1525889631") == 0 && c->has_disks);
  assert (strcmp (c->description, "Completion of updates & tests") == 0);
  assert (c->n_disks == 3);
  assert (!c->disks[0].left_out && c->disks[1].left_out);
  assert (c->disks[2].name[0] == '/');
  /* What only the maker knows is not taken from people. */
  assert (c->parent == NULL && c->creation_time == 0 && c->disks[0].size == 0);
  round_trip (CATALOG_DOCUMENT_WISH, c);
  catalog_checkpoint_destroy (c);
}

static void
test_redefine (const char *document)
{
  g_autofree char *text = test_document (document);
  struct checkpoint *c = good (CATALOG_DOCUMENT_KNOWN, text);

  assert (strcmp (c->parent, "1525111885") == 0);
  assert (c->creation_time == 1525889631);
  assert (strcmp (c->domain_uuid, "c7a5fdbd-edaf-9455-926a-d65c16db1809") == 0);
  assert (strcmp (c->consumer, "nightly") == 0);
  /* That of checkpoint='no' is of no interest. */
  assert (c->n_disks == 2 && c->disks[0].size == 104857600);
  assert (c->disks[0].gap_before && !c->disks[0].has_changed);
  assert (strcmp (c->disks[0].bitmap, c->name) == 0);
  assert (strcmp (c->disks[0].lost, "bitmap-missing") == 0);
  /* Nothing is told of its past: the careful side. */
  assert (c->disks[1].size == 0 && c->disks[1].gap_before);
  round_trip (CATALOG_DOCUMENT_KNOWN, c);
  catalog_checkpoint_destroy (c);
}

/* What people are shown has all but where the images are. */
static void
test_shown (void)
{
  struct checkpoint_disk disks[] = {
    { .name = (char *) "vda", .bitmap = (char *) "c", .size = 5,
      .source = (char *) "/secret", .has_changed = true, .changed = 3 },
    { .name = (char *) "vdb", .left_out = true }
  };
  const struct checkpoint c = { .name = (char *) "c", .disks = disks,
                                .n_disks = 2 };
  g_autofree char *stored = NULL, *bare = NULL, *shown = NULL;

  stored = catalog_document_format (CATALOG_DOCUMENT_STORED, &c, NULL);
  shown = catalog_document_format (CATALOG_DOCUMENT_KNOWN, &c, "fedora");
  bare = catalog_document_format (CATALOG_DOCUMENT_KNOWN, &c, NULL);
  assert (strstr (stored, "/secret") != NULL);
  assert (strstr (shown, "/secret") == NULL && strstr (shown, "fedora"));
  assert (strstr (shown, "name='vdb' checkpoint='no'/>") != NULL);
  assert (strstr (shown, "bitmap='c' size='3'") != NULL);
  assert (strstr (bare, "<domain ") == NULL && strstr (bare, "vda") != NULL);
}

/* One of N ampersands. */
static char *
described (size_t n)
{
  g_autoptr (GString) text = g_string_new (HEAD NAME TIME "<description>");

  while (n-- > 0)
    g_string_append (text, "&amp;");
  g_string_append (text, "</description><disks/>" TAIL);
  return g_string_free (g_steal_pointer (&text), FALSE);
}

/* Of people; one that is stored already stays readable. */
static void
test_description_limit (void)
{
  g_autofree char *longest = described (CATALOG_DESCRIPTION_MAX);
  g_autofree char *longer = described (CATALOG_DESCRIPTION_MAX + 1);
  struct failure why = { .error = 0 };
  struct checkpoint *c = good (CATALOG_DOCUMENT_KNOWN, longest);

  assert (strlen (c->description) == CATALOG_DESCRIPTION_MAX);
  catalog_checkpoint_destroy (c);
  assert (catalog_document_parse (CATALOG_DOCUMENT_WISH, longer, &c,
                                  &why) < 0);
  assert (strstr (why.text, "description") && strstr (why.text, "16384"));
  assert (catalog_document_parse (CATALOG_DOCUMENT_KNOWN, longer, &c,
                                  &why) < 0);
  test_good (catalog_document_parse_stored (longer, strlen (longer), "it", &c,
                                            &why), &why);
  catalog_checkpoint_destroy (c);
}

static int
add_spec (struct checkpoint *c, const char *spec, struct failure *why)
{
  why->error = 0;
  return catalog_diskspec_add (c, spec, why);
}

static void
test_diskspecs (void)
{
  struct checkpoint *c = catalog_checkpoint_create ();
  struct failure why = { .error = 0 };

  c->name = g_strdup ("c");
  test_good (add_spec (c, "vda", &why), &why);
  test_good (add_spec (c, "vdb,checkpoint=no", &why), &why);
  test_good (add_spec (c, "vdc,checkpoint=bitmap,bitmap=c", &why), &why);
  test_good (add_spec (c, "/a,,b.img,checkpoint=bitmap", &why), &why);
  assert (c->has_disks && c->n_disks == 4 && c->disks[1].left_out);
  assert (strcmp (c->disks[3].name, "/a,b.img") == 0);
  round_trip (CATALOG_DOCUMENT_WISH, c);
  assert (add_spec (c, "vda", &why) < 0 && strstr (why.text, "twice"));
  assert (add_spec (c, "", &why) < 0 && add_spec (c, ",", &why) < 0);
  assert (add_spec (c, "vdd,", &why) < 0 && strstr (why.text, "vdd,"));
  assert (add_spec (c, "vde,bitmap=d", &why) < 0);
  assert (add_spec (c, "vdf,checkpoint=maybe", &why) < 0);
  catalog_checkpoint_destroy (c);
}

int
main (void)
{
  test_bad_documents (bad, parse);
  test_bad_documents (bad_redefined, parse_redefined);
  test_create ();
  test_redefine ("checkpoint-redefine.xml");
  test_redefine ("checkpoint-redefine-old.xml");
  test_shown ();
  test_description_limit ();
  test_diskspecs ();
  return 0;
}
