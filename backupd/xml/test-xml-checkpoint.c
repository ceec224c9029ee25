/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#undef NDEBUG
#include <assert.h>
#include <string.h>

#include "test-xml.h"
#include "xml-checkpoint.h"
#include "xml-domain.h"
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
  struct xml_checkpoint *c = NULL;
  int r = xml_checkpoint_parse (text, false, &c, why);

  if (r == 0)
    xml_checkpoint_destroy (c);
  return r;
}

static int
parse_redefined (const char *text, struct failure *why)
{
  struct xml_checkpoint *c = NULL;
  int r = xml_checkpoint_parse (text, true, &c, why);

  if (r == 0)
    xml_checkpoint_destroy (c);
  return r;
}

static int
parse_domain (const char *text, struct failure *why)
{
  struct xml_domain *domain = NULL;
  int r = xml_domain_parse (text, &domain, why);

  if (r == 0)
    xml_domain_destroy (domain);
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
  { NULL, NULL }
};

static const struct bad_document bad_domains[] = {
  { "<domainbackup/>", "not a <domain>" },
  { "<domain><devices><disk><target dev='a/b'/></disk></devices></domain>",
    "domain/devices/disk/target has dev='a/b'" },
  { "<domain><devices><disk><target dev='vda'/></disk>"
    "<disk><target dev='vda'/></disk></devices></domain>", "twice" },
  { NULL, NULL }
};

static struct xml_checkpoint *
good (const char *text, bool redefine)
{
  struct failure why = { .error = 0 };
  struct xml_checkpoint *c = NULL;

  test_good (xml_checkpoint_parse (text, redefine, &c, &why), &why);
  return c;
}

static const struct xml_checkpoint_disk *
disk_at (const struct xml_checkpoint *c, guint i)
{
  assert (i < c->disks->len);
  return g_ptr_array_index (c->disks, i);
}

static void
round_trip (const struct xml_checkpoint *c)
{
  g_autofree char *once = xml_checkpoint_format (c), *twice = NULL;
  struct xml_checkpoint *again = good (once, c->has_time);

  twice = xml_checkpoint_format (again);
  assert (strcmp (once, twice) == 0);
  xml_checkpoint_destroy (again);
}

static void
test_create (void)
{
  g_autofree char *text = test_document ("checkpoint-create.xml");
  struct xml_checkpoint *c = good ("<domaincheckpoint/>", false);

  assert (c->name == NULL && !c->has_disks && !c->has_time);
  round_trip (c);
  xml_checkpoint_destroy (c);
  c = good (text, false);
  assert (strcmp (c->name, "1525889631") == 0 && c->has_disks);
  assert (strcmp (c->description, "Completion of updates & tests") == 0);
  assert (c->disks->len == 3);
  assert (disk_at (c, 0)->bitmap && !disk_at (c, 1)->bitmap);
  assert (disk_at (c, 2)->name[0] == '/');
  /* What only the maker knows is not taken from people. */
  assert (c->parent == NULL && !c->has_time && !disk_at (c, 0)->has_capacity);
  round_trip (c);
  xml_checkpoint_destroy (c);
}

static void
test_redefine (const char *document)
{
  g_autofree char *text = test_document (document);
  struct xml_checkpoint *c = good (text, true);

  assert (strcmp (c->parent, "1525111885") == 0);
  assert (c->has_time && c->creation_time == 1525889631);
  assert (strcmp (c->domain_uuid, "c7a5fdbd-edaf-9455-926a-d65c16db1809") == 0);
  assert (strcmp (c->consumer, "nightly") == 0);
  assert (disk_at (c, 0)->has_capacity && disk_at (c, 0)->capacity == 104857600);
  assert (disk_at (c, 0)->gap_before && !disk_at (c, 0)->has_size);
  assert (strcmp (disk_at (c, 0)->lost, "bitmap-missing") == 0);
  assert (!disk_at (c, 2)->has_capacity && !disk_at (c, 2)->gap_before);
  round_trip (c);
  xml_checkpoint_destroy (c);
}

static int
add_spec (struct xml_checkpoint *c, const char *spec, struct failure *why)
{
  why->error = 0;
  return xml_checkpoint_add_diskspec (c, spec, why);
}

static void
test_diskspecs (void)
{
  struct xml_checkpoint *c = xml_checkpoint_create ();
  struct failure why = { .error = 0 };

  c->name = g_strdup ("c");
  test_good (add_spec (c, "vda", &why), &why);
  test_good (add_spec (c, "vdb,checkpoint=no", &why), &why);
  test_good (add_spec (c, "vdc,checkpoint=bitmap,bitmap=c", &why), &why);
  test_good (add_spec (c, "/a,,b.img,checkpoint=bitmap", &why), &why);
  assert (c->has_disks && c->disks->len == 4 && !disk_at (c, 1)->bitmap);
  assert (strcmp (disk_at (c, 3)->name, "/a,b.img") == 0);
  round_trip (c);
  assert (add_spec (c, "vda", &why) < 0 && strstr (why.text, "twice"));
  assert (add_spec (c, "", &why) < 0 && add_spec (c, ",", &why) < 0);
  assert (add_spec (c, "vdd,", &why) < 0 && strstr (why.text, "vdd,"));
  assert (add_spec (c, "vde,bitmap=d", &why) < 0);
  assert (add_spec (c, "vdf,checkpoint=maybe", &why) < 0);
  xml_checkpoint_destroy (c);
}

static void
test_domain (void)
{
  g_autofree char *text = test_document ("domain.xml");
  struct failure why = { .error = 0 };
  struct xml_domain *domain = NULL;
  const struct xml_domain_disk *disk;

  test_good (xml_domain_parse (text, &domain, &why), &why);
  assert (strcmp (domain->name, "fedora") == 0 && domain->disks->len == 4);
  disk = g_ptr_array_index (domain->disks, 0);
  assert (strcmp (disk->target, "vda") == 0);
  assert (strcmp (disk->source, "/images/overlay.qcow2") == 0);
  assert (strcmp (disk->alias, "virtio-disk0") == 0);
  disk = g_ptr_array_index (domain->disks, 1);
  assert (strcmp (disk->source, "/dev/vg/data") == 0);
  disk = g_ptr_array_index (domain->disks, 2);
  assert (strcmp (disk->target, "vdc") == 0 && disk->source == NULL);
  disk = g_ptr_array_index (domain->disks, 3);
  assert (strcmp (disk->target, "sda") == 0 && disk->alias == NULL);
  xml_domain_destroy (domain);
}

int
main (void)
{
  test_bad_documents (bad, parse);
  test_bad_documents (bad_redefined, parse_redefined);
  test_bad_documents (bad_domains, parse_domain);
  test_create ();
  test_redefine ("checkpoint-redefine.xml");
  test_redefine ("checkpoint-redefine-old.xml");
  test_diskspecs ();
  test_domain ();
  return 0;
}
