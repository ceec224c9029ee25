/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Of what the other machine has for itself nothing is in the new one, and all else is; from
 * documents that were damaged comes a sentence, or a whole document. */
#include <config.h>

#undef NDEBUG
#include <assert.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "test-xml.h"
#include "xml-clone.h"
#include "xml-domain.h"

#define NEW_UUID "0d9b3b7e-3a0a-4b59-a8a6-2f1f5c9d7e10"

static const struct xml_clone_disk disks[] = {
  { "vda", "/new/a&b.qcow2", "qcow2" },
  { "vdb", "/new/vdb", "raw" }
};
static const struct xml_clone wanted = {
  .name = "web2", .uuid = NEW_UUID, .folder = "/new", .disks = disks,
  .n_disks = 2
};

static char *
make_clone (const char *text, GPtrArray *notes)
{
  struct failure why = { .error = 0 };
  char *xml = NULL;

  test_good (xml_clone_make (text, &wanted, &xml, notes, &why), &why);
  return xml;
}

static void
must (bool ok, const char *what, const char *text)
{
  if (ok)
    return;
  fprintf (stderr, "%s\n%s\n", what, text);
  abort ();
}

/* How often PART is in TEXT. */
static int
count (const char *text, const char *part)
{
  int n = 0;

  while ((text = strstr (text, part)) != NULL) {
    n++;
    text++;
  }
  return n;
}

/* What two machines must not both have. */
static void
test_nothing_of_its_own (void)
{
  static const char *const own[] = {
    "<name>web</name>", "id='", "c7a5fdbd", "43dc0cf8", "web_VARS", "<nvram>",
    "/images/web", "/dev/vg", "rbd", "shared.img", "/dev/sdz", "pool=",
    "floppy.img", "52:54:00:11:22:33", "52:54:00:44:55:66", "web-net",
    "3f7c6f0e", "b83b5a3e", "web.console", "web.log", "web.serial",
    "domain-3-web", "/dev/pts", "5901", "5701", "address=\"7\"", "nvdimm",
    "64055", "backingStore", "index="
  };
  g_autofree char *text = test_document ("machine.xml");
  g_autoptr (GPtrArray) notes = g_ptr_array_new_with_free_func (g_free);
  g_autofree char *xml = make_clone (text, notes);

  for (size_t i = 0; i < G_N_ELEMENTS (own); i++)
    must (strstr (xml, own[i]) == NULL, own[i], xml);
}

static void
test_what_it_has (void)
{
  static const char *const has[] = {
    "<name>web2</name>", "<uuid>" NEW_UUID "</uuid>", "<genid/>",
    "<entry name=\"uuid\">" NEW_UUID "</entry>",
    "<nvram template=\"/usr/share/OVMF/OVMF_VARS.fd\"/>",
    "file=\"/new/a&amp;b.qcow2\"", "discard=\"unmap\"", "WEB1",
    "<source file=\"/images/cd.iso\"/>", "<target dev=\"fda\" bus=\"fdc\"/>",
    "<own:note xmlns:own=\"urn:own\">kept</own:note>", "<title>",
    "/new/web2-1.log", "/new/web2-2.sock", "org.qemu.guest_agent.0",
    "port=\"-1\" autoport=\"yes\"", "<cid auto=\"yes\"/>", "model=\"dimm\"",
    "<qemu:arg value=\"-name\"/>", "bridge=\"br0\"", "52:54:00:"
  };
  g_autofree char *text = test_document ("machine.xml");
  g_autoptr (GPtrArray) notes = g_ptr_array_new_with_free_func (g_free);
  g_autofree char *xml = make_clone (text, notes);

  for (size_t i = 0; i < G_N_ELEMENTS (has); i++)
    must (strstr (xml, has[i]) != NULL, has[i], xml);
  /* The serial port and its console are one. */
  must (count (xml, "/new/web2-0.log") == 2, "one file for both", xml);
  must (count (xml, "<mac address=") == 2, "two interfaces", xml);
}

static void
test_notes (void)
{
  static const char *const say[] = {
    "vdc", "vdd", "sdb", "vde", "UEFI", "TPM", "nvdimm", "qemu:commandline",
    "port of its display", "character devices"
  };
  g_autofree char *text = test_document ("machine.xml");
  g_autoptr (GPtrArray) notes = g_ptr_array_new_with_free_func (g_free);
  g_autofree char *xml = make_clone (text, notes), *all = NULL;

  g_ptr_array_add (notes, NULL);
  all = g_strjoinv ("\n", (char **) notes->pdata);
  for (size_t i = 0; i < G_N_ELEMENTS (say); i++)
    must (count (all, say[i]) == 1, say[i], all);
}

/* A clone of a clone: another machine again, with disks as they were said. */
static void
test_again (void)
{
  g_autofree char *text = test_document ("machine.xml");
  g_autoptr (GPtrArray) notes = g_ptr_array_new_with_free_func (g_free);
  g_autofree char *once = make_clone (text, notes), *twice = make_clone (once, notes);
  struct failure why = { .error = 0 };
  struct xml_domain *domain = NULL;
  const struct xml_domain_disk *disk;

  must (strcmp (once, twice) != 0, "MAC addresses are new", twice);
  test_good (xml_domain_parse (twice, &domain, &why), &why);
  assert (strcmp (domain->name, "web2") == 0);
  assert (strcmp (domain->uuid, NEW_UUID) == 0);
  assert (domain->disks->len == 4);     /* vda, vdb, sda, fda */
  disk = g_ptr_array_index (domain->disks, 0);
  assert (strcmp (disk->source, "/new/a&b.qcow2") == 0 && disk->unfit == NULL);
  disk = g_ptr_array_index (domain->disks, 1);
  assert (strcmp (disk->source, "/new/vdb") == 0);
  assert (strcmp (disk->format, "raw") == 0);
  xml_domain_destroy (domain);
}

static int
clone_any (const char *text, struct failure *why)
{
  g_autoptr (GPtrArray) notes = g_ptr_array_new_with_free_func (g_free);
  g_autofree char *xml = NULL;

  return xml_clone_make (text, &wanted, &xml, notes, why);
}

#define DISK(name) "<disk><source file='/x'/><target dev='" name "'/></disk>"
#define TWO DISK ("vda") DISK ("vdb")

static const struct bad_document bad[] = {
  { "", "not well-formed" },
  { "<domainsnapshot/>", "not a <domain>" },
  { "<domain/>", "not all the disks" },
  { "<domain><devices>" DISK ("vda") "</devices></domain>",
    "not all the disks" },
  { "<domain><devices>" DISK ("vda") TWO "</devices></domain>", "twice" },
  { "<domain><devices>" TWO DISK ("a/b") "</devices></domain>", "a/b" },
  { "<domain><devices>" TWO "</devices><devices/></domain>", "devices 2" },
  { "<domain><name>a</name><name>b</name><devices>" TWO "</devices></domain>",
    "name 2" },
  { "<domain><uuid/><uuid/><devices>" TWO "</devices></domain>", "uuid 2" },
  { "<domain><os/><os/><devices>" TWO "</devices></domain>", "os 2" },
  { "<!DOCTYPE domain><domain><devices>" TWO "</devices></domain>",
    "DOCTYPE" },
  { NULL, NULL }
};

/* A document that lacks nearly all. */
static void
test_little (void)
{
  g_autoptr (GPtrArray) notes = g_ptr_array_new_with_free_func (g_free);
  g_autofree char *xml = make_clone (
    "<domain><devices>" TWO "<interface/><serial/><channel/><rng/><tpm/><vsock/>"
    "<graphics/><memory/><pstore/><console type='unix'/><smartcard type='x'/>"
    "<channel type='unix'><source mode='bind'/></channel>"
    "</devices></domain>", notes);

  must (strstr (xml, "<name>web2</name>") != NULL, "a name", xml);
  must (strstr (xml, NEW_UUID) != NULL, "a UUID", xml);
  must (strstr (xml, "<mac address=") != NULL, "a MAC address", xml);
}

static void
damage (GRand *random, GString *text)
{
  static const char *const bits[] = { "<", ">", "'", "/", "&", "<disk>",
                                      "<source/>", "<a>", "]]>", "\xc3" };
  int n = g_rand_int_range (random, 1, 6);

  while (n-- > 0) {
    gssize at = g_rand_int_range (random, 0, (gint32) text->len);
    gssize length = g_rand_int_range (random, 0, 40);

    if (g_rand_boolean (random))
      g_string_erase (text, at, MIN (length, (gssize) text->len - at));
    else
      g_string_insert (text, at, bits[g_rand_int_range (
                         random, 0, G_N_ELEMENTS (bits))]);
  }
}

static void
test_damaged (void)
{
  const char *given = getenv ("SEED");
  guint32 seed = given != NULL ? (guint32) strtoul (given, NULL, 10)
                 : (guint32) time (NULL);
  GRand *random = g_rand_new_with_seed (seed);
  g_autofree char *text = test_document ("machine.xml");
  int whole = 0;

  printf ("SEED=%u\n", seed);
  for (int i = 0; i < 3000; i++) {
    g_autoptr (GString) wrong = g_string_new (text);
    g_autoptr (GPtrArray) notes = g_ptr_array_new_with_free_func (g_free);
    g_autofree char *xml = NULL;
    struct failure why = { .error = 0 };
    struct xml_domain *domain = NULL;

    damage (random, wrong);
    if (xml_clone_make (wrong->str, &wanted, &xml, notes, &why) < 0) {
      must (why.text[0] != '\0' && xml == NULL, "no sentence", wrong->str);
      continue;
    }
    whole++;
    test_good (xml_domain_parse (xml, &domain, &why), &why);
    must (strcmp (domain->name, "web2") == 0, "another name", xml);
    xml_domain_destroy (domain);
  }
  g_rand_free (random);
  printf ("%d of 3000 could be read\n", whole);
  assert (whole > 0 && whole < 3000);
}

int
main (void)
{
  test_nothing_of_its_own ();
  test_what_it_has ();
  test_notes ();
  test_again ();
  test_bad_documents (bad, clone_any);
  test_little ();
  test_damaged ();
  return 0;
}
