/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#undef NDEBUG
#include <assert.h>
#include <string.h>

#include "test-xml.h"
#include "xml-domain.h"

static int
parse_domain (const char *text, struct failure *why)
{
  struct xml_domain *domain = NULL;
  int r = xml_domain_parse (text, &domain, why);

  if (r == 0)
    xml_domain_destroy (domain);
  return r;
}

static const struct bad_document bad_domains[] = {
  { "<domainbackup/>", "not a <domain>" },
  { "<domain><devices><disk><target dev='a/b'/></disk></devices></domain>",
    "domain/devices/disk/target has dev='a/b'" },
  { "<domain><devices><disk><target dev='vda'/></disk>"
    "<disk><target dev='vda'/></disk></devices></domain>", "twice" },
  { NULL, NULL }
};

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

/* What is written back, by which format, and what is not, and why. */
static void
test_images (void)
{
  static const struct {
    const char *target, *format, *unfit;
  } expected[] = {
    { "vda", "qcow2", NULL }, { "vdb", "raw", NULL },
    { "vdc", "raw", "network storage (rbd)" }, { "vdd", "raw", "shareable" },
    { "sdb", "raw", "passed through" }, { "sda", "raw", "read-only" },
    { "vde", "raw", "storage pool default" }, { "fda", "raw", "a floppy" }
  };
  g_autofree char *text = test_document ("machine.xml");
  struct failure why = { .error = 0 };
  struct xml_domain *domain = NULL;

  test_good (xml_domain_parse (text, &domain, &why), &why);
  assert (domain->disks->len == G_N_ELEMENTS (expected));
  for (size_t i = 0; i < G_N_ELEMENTS (expected); i++) {
    const struct xml_domain_disk *disk = g_ptr_array_index (domain->disks, i);

    assert (strcmp (disk->target, expected[i].target) == 0);
    assert (strcmp (disk->format, expected[i].format) == 0);
    assert ((disk->unfit == NULL) == (expected[i].unfit == NULL));
    assert (disk->unfit == NULL ||
            strstr (disk->unfit, expected[i].unfit) != NULL);
  }
  xml_domain_destroy (domain);
}

int
main (void)
{
  test_bad_documents (bad_domains, parse_domain);
  test_domain ();
  test_images ();
  return 0;
}
