/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The catalog on a real folder: round trips, order, broken files. */
#include <config.h>

#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "catalog.h"
#include "xml-input.h"

static char folder[64];

static void
clean (void)
{
  char command[128];

  snprintf (command, sizeof command, "rm -rf '%s'", folder);
  assert (system (command) == 0);
}

static void
write_file (const char *name, const char *text)
{
  char path[256];
  FILE *f;

  snprintf (path, sizeof path, "%s/%s", folder, name);
  f = fopen (path, "w");
  assert (f != NULL && fputs (text, f) >= 0 && fclose (f) == 0);
}

static bool
file_exists (const char *name)
{
  char path[256];

  snprintf (path, sizeof path, "%s/%s", folder, name);
  return access (path, F_OK) == 0;
}

static struct catalog *
open_good (void)
{
  struct failure why = { .error = 0 };
  struct catalog *catalog = NULL;

  if (catalog_open (folder, &catalog, &why) < 0) {
    fprintf (stderr, "%s\n", why.text);
    abort ();
  }
  return catalog;
}

static void
add (struct catalog *catalog, const char *name, const char *parent,
     int64_t time, const char *disk)
{
  struct failure why = { .error = 0 };
  struct checkpoint_disk disks[] = {
    { .name = (char *) disk, .bitmap = (char *) name,
      .size = UINT64_C (1) << 40, .source = (char *) "/a & b inode 7" },
    { .name = (char *) "extra", .bitmap = (char *) "other-<&\">",
      .size = 512, .gap_before = true }
  };
  struct checkpoint c = {
    .name = (char *) name, .parent = (char *) parent,
    .description = (char *) "a <b> & \"c\" \xc3\xa4", .consumer = NULL,
    .domain_uuid = (char *) "11111111-2222-3333-4444-555555555555",
    .boot_id = (char *) "123-456", .creation_time = time,
    .state = CHECKPOINT_TENTATIVE, .disks = disks, .n_disks = 2
  };

  if (catalog_add (catalog, &c, &why) < 0) {
    fprintf (stderr, "%s\n", why.text);
    abort ();
  }
}

static void
expect_order (const struct catalog *catalog, const char *names)
{
  char all[256] = "";
  size_t i;

  for (i = 0; i < catalog_count (catalog); i++) {
    strcat (all, catalog_at (catalog, i)->name);
    strcat (all, " ");
  }
  if (strcmp (all, names) != 0) {
    fprintf (stderr, "order is %s, not %s\n", all, names);
    abort ();
  }
}

static void
test_round_trip (void)
{
  struct failure why = { .error = 0 };
  struct catalog *catalog = open_good ();
  const struct checkpoint *c;

  assert (catalog_count (catalog) == 0 && catalog_newest (catalog) == NULL);
  add (catalog, "mon", NULL, 1000, "vda");
  assert (catalog_set_state (catalog, "mon", CHECKPOINT_COMMITTED, &why) == 0);
  catalog_close (catalog);

  catalog = open_good ();
  c = catalog_find (catalog, "mon");
  assert (c != NULL && catalog_newest (catalog) == c && c->parent == NULL);
  assert (strcmp (c->description, "a <b> & \"c\" \xc3\xa4") == 0);
  assert (strcmp (c->consumer, "default") == 0);
  assert (strcmp (c->boot_id, "123-456") == 0);
  assert (strcmp (c->domain_uuid,
                  "11111111-2222-3333-4444-555555555555") == 0);
  assert (c->creation_time == 1000 && c->state == CHECKPOINT_COMMITTED);
  assert (c->n_disks == 2 && c->disks[0].size == UINT64_C (1) << 40);
  assert (strcmp (c->disks[1].bitmap, "other-<&\">") == 0);
  assert (!c->disks[0].gap_before && c->disks[1].gap_before);
  assert (strcmp (c->disks[0].source, "/a & b inode 7") == 0 &&
          c->disks[1].source == NULL);
  assert (catalog_checkpoint_disk (c, "vdb") == NULL);
  catalog_close (catalog);
  clean ();
}

static void
test_refusals (void)
{
  struct failure why = { .error = 0 };
  struct catalog *catalog = open_good ();
  struct checkpoint c = { .name = (char *) "mon" };

  add (catalog, "mon", NULL, 1000, "vda");
  assert (catalog_add (catalog, &c, &why) == -EEXIST);
  assert (why.class == FAILURE_EXISTS);
  c.name = (char *) "../evil";
  why.error = 0;
  assert (catalog_add (catalog, &c, &why) == -EINVAL);
  c.name = (char *) "tue";
  c.parent = (char *) "sun";
  why.error = 0;
  assert (catalog_add (catalog, &c, &why) == -ENOENT);
  c.parent = NULL;
  c.description = (char *) "\xff\xfe";
  why.error = 0;
  assert (catalog_add (catalog, &c, &why) == -EINVAL);
  assert (catalog_count (catalog) == 1 && !file_exists ("tue.xml"));
  why.error = 0;
  assert (catalog_set_state (catalog, "x", CHECKPOINT_COMMITTED, &why) < 0);
  why.error = 0;
  assert (catalog_remove (catalog, "x", &why) == 0);
  catalog_close (catalog);
  clean ();
}

/* Names and times that sort against the parents. */
static void
test_order (void)
{
  struct failure why = { .error = 0 };
  struct catalog *catalog = open_good ();

  add (catalog, "z", NULL, 5000, "vda");
  add (catalog, "y", "z", 4000, "vdb");
  add (catalog, "x", "y", 3000, "vda");
  add (catalog, "w", "x", 3000, "vda");
  expect_order (catalog, "z y x w ");
  catalog_close (catalog);
  catalog = open_good ();
  expect_order (catalog, "z y x w ");
  assert (strcmp (catalog_newest_of_disk (catalog, "vdb", NULL)->name,
                  "y") == 0);
  assert (strcmp (catalog_newest_of_disk (catalog, "vda",
                                          catalog_find (catalog, "x"))->name,
                  "z") == 0);
  assert (catalog_newest_of_disk (catalog, "vda",
                                  catalog_find (catalog, "z")) == NULL);

  /* The children of what is removed get its parent, on disk too. */
  assert (catalog_remove (catalog, "y", &why) == 0);
  assert (!file_exists ("y.xml"));
  expect_order (catalog, "z x w ");
  catalog_close (catalog);
  catalog = open_good ();
  expect_order (catalog, "z x w ");
  assert (strcmp (catalog_find (catalog, "x")->parent, "z") == 0);
  assert (catalog_remove (catalog, "z", &why) == 0);
  assert (catalog_find (catalog, "x")->parent == NULL);
  assert (catalog_remove (catalog, "w", &why) == 0);
  expect_order (catalog, "x ");
  catalog_close (catalog);
  clean ();
}

/* A folder with FILE of TEXT does not open, and the sentence says SAYS. */
static void
bad_file (const char *file, const char *text, const char *says)
{
  struct failure why = { .error = 0 };
  struct catalog *catalog = open_good ();

  catalog_close (catalog);
  write_file (file, text);
  if (catalog_open (folder, &catalog, &why) == 0 ||
      strstr (why.text, says) == NULL) {
    fprintf (stderr, "%s: %s\n", text, why.error ? why.text : "opened");
    abort ();
  }
  clean ();
}

#define HEAD "<domaincheckpoint><name>a</name>"
#define TIME "<creationTime>5</creationTime>"
#define DISK "<disks><disk name='vda' checkpoint='bitmap' size='5'/>"

static void
test_broken_files (void)
{
  char *big = malloc (XML_INPUT_MAX + 100);

  bad_file ("a.xml", "", "a.xml");
  bad_file ("a.xml", "<domaincheckpoint>", "well-formed");
  bad_file ("a.xml", "<x/>", "not a <domaincheckpoint>");
  bad_file ("b.xml", HEAD TIME "<disks/></domaincheckpoint>", "called a");
  bad_file ("a.xml", HEAD "<disks/></domaincheckpoint>", "creationTime");
  bad_file ("a.xml", HEAD TIME "</domaincheckpoint>", "<disks>");
  bad_file ("a.xml", HEAD TIME DISK DISK "</disks></domaincheckpoint>",
            "well-formed");
  bad_file ("a.xml", HEAD TIME "<disks><disk name='a/b' size='5'/></disks>"
            "</domaincheckpoint>", "name");
  bad_file ("a.xml", HEAD TIME "<disks><disk name='vda' size='-5'/></disks>"
            "</domaincheckpoint>", "size");
  bad_file ("a.xml", HEAD TIME "<disks><disk name='vda'/></disks>"
            "</domaincheckpoint>", "size");
  bad_file ("a.xml", HEAD TIME "<disks><disk name='/vda' size='5'/></disks>"
            "</domaincheckpoint>", "name");
  bad_file ("a.xml", HEAD TIME "<disks/><domain><metadata><p:checkpoint "
            "xmlns:p='https://pullback.invalid/checkpoint/1'><p:state>x"
            "</p:state></p:checkpoint></metadata></domain>"
            "</domaincheckpoint>", "state");
  bad_file ("a.xml", HEAD TIME "<disks><disk name='vda' size='5'/>"
            "<disk name='vda' size='5'/></disks></domaincheckpoint>", "twice");
  bad_file ("a.xml", HEAD "<creationTime>99999999999999999999</creationTime>"
            "<disks/></domaincheckpoint>", "creationTime");
  bad_file ("a.xml", HEAD "<parent><name>gone</name></parent>" TIME
            "<disks/></domaincheckpoint>", "gone");
  bad_file ("a.xml", HEAD "<parent><name>a</name></parent>" TIME
            "<disks/></domaincheckpoint>", "parent");
  bad_file ("a.xml", "<!DOCTYPE x [<!ENTITY e SYSTEM 'file:///etc/passwd'>]>"
            HEAD "<description>&e;</description>" TIME
            "<disks/></domaincheckpoint>", "DOCTYPE");
  memset (big, ' ', XML_INPUT_MAX + 99);
  big[XML_INPUT_MAX + 99] = '\0';
  bad_file ("a.xml", big, "too large");
  free (big);
}

static void
test_leftovers (void)
{
  struct catalog *catalog = open_good ();

  add (catalog, "mon", NULL, 1, "vda");
  catalog_close (catalog);
  write_file ("tue.xml.tmp", "half");
  write_file ("README", "not ours");
  catalog = open_good ();
  expect_order (catalog, "mon ");
  assert (!file_exists ("tue.xml.tmp") && file_exists ("README"));
  catalog_close (catalog);
  clean ();
}

static int
refuse (const struct catalog *catalog, const struct checkpoint *c,
        void *opaque, struct failure *why)
{
  /* It is shown as it would be. */
  assert (catalog_find (catalog, c->name) == c);
  assert (strcmp (c->description, "another") == 0);
  return failure_set (why, FAILURE_CHAIN, EPERM, "%s", (char *) opaque);
}

static void
test_marks_and_next (void)
{
  struct failure why = { .error = 0 };
  struct catalog *catalog = open_good ();
  const struct checkpoint *c;

  add (catalog, "one", NULL, 1, "vda");
  add (catalog, "two", "one", 2, "vdb");
  add (catalog, "three", "two", 3, "vda");
  c = catalog_next_of_disk (catalog, "vda", catalog_find (catalog, "one"));
  assert (c == catalog_find (catalog, "three"));
  assert (catalog_next_of_disk (catalog, "vda", c) == NULL);
  assert (catalog_mark_disk (catalog, "three", "vda", true, NULL, &why) == 0);
  assert (catalog_mark_disk (catalog, "three", "vda", false, "gone",
                             &why) == 0);
  /* The first reason stays. */
  assert (catalog_mark_disk (catalog, "three", "vda", false, "x", &why) == 0);
  assert (catalog_mark_disk (catalog, "three", "vdb", true, NULL,
                             &why) == -ENOENT);
  assert (catalog_set_state (catalog, "two", CHECKPOINT_DELETING, NULL) == 0);
  catalog_close (catalog);
  catalog = open_good ();
  c = catalog_find (catalog, "three");
  assert (catalog_checkpoint_disk (c, "vda")->gap_before);
  assert (strcmp (catalog_checkpoint_disk (c, "vda")->lost, "gone") == 0);
  assert (catalog_find (catalog, "two")->state == CHECKPOINT_DELETING);
  catalog_close (catalog);
}

static void
test_put (void)
{
  struct failure why = { .error = 0 };
  struct catalog *catalog = open_good ();
  const struct checkpoint *two = catalog_find (catalog, "two");
  struct checkpoint changed = *two;

  changed.description = (char *) "another";
  assert (catalog_put (catalog, &changed, refuse, (char *) "no",
                       &why) == -EPERM);
  assert (strcmp (why.text, "no") == 0);
  assert (strcmp (two->description, "another") != 0);
  why.error = 0;
  changed.parent = (char *) "three";
  assert (catalog_put (catalog, &changed, NULL, NULL, &why) == -EINVAL);
  expect_order (catalog, "one two three ");
  changed.parent = (char *) "one";
  changed.state = CHECKPOINT_COMMITTED;
  assert (catalog_put (catalog, &changed, NULL, NULL, NULL) == 0);
  /* The same place in memory, its child is still its own. */
  assert (catalog_find (catalog, "two") == two);
  assert (strcmp (catalog_find (catalog, "three")->parent, "two") == 0);
  catalog_close (catalog);
  catalog = open_good ();
  assert (strcmp (catalog_find (catalog, "two")->description,
                  "another") == 0);
  expect_order (catalog, "one two three ");
  catalog_close (catalog);
}

/* A file of the form before the metadata, as it was written. */
static const char earlier[] =
  "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
  "<domaincheckpoint xmlns:pullback=\"https://pullback.invalid/checkpoint/1\">\n"
  "  <name>tue</name>\n"
  "  <description>a &lt;b&gt; &amp; \"c\" 'd' \xc3\xa4</description>\n"
  "  <creationTime>1795265618</creationTime>\n"
  "  <disks>\n"
  "    <disk name=\"vda\" checkpoint=\"bitmap\" bitmap=\"tue\" size=\"8388608\" "
  "pullback:gap-before=\"yes\" pullback:source=\"/i/vda.raw inode 109\"/>\n"
  "    <disk name=\"vdb\" checkpoint=\"bitmap\" bitmap=\"other\" size=\"16777216\" "
  "pullback:lost=\"bitmap-inconsistent\"/>\n"
  "  </disks>\n"
  "  <domain>\n"
  "    <uuid>c7a5fdbd-edaf-9455-926a-d65c16db1809</uuid>\n"
  "  </domain>\n"
  "  <pullback:state>tentative</pullback:state>\n"
  "  <pullback:consumer>nightly</pullback:consumer>\n"
  "  <pullback:boot-id>21579-399835</pullback:boot-id>\n"
  "</domaincheckpoint>\n";

static void
expect_earlier (const struct checkpoint *c, enum checkpoint_state state)
{
  const struct checkpoint_disk *vda, *vdb;

  assert (c != NULL && c->n_disks == 2 && c->parent == NULL);
  assert (strcmp (c->description, "a <b> & \"c\" 'd' \xc3\xa4") == 0);
  assert (c->creation_time == 1795265618 && c->state == state);
  assert (strcmp (c->consumer, "nightly") == 0);
  assert (strcmp (c->boot_id, "21579-399835") == 0);
  assert (strcmp (c->domain_uuid,
                  "c7a5fdbd-edaf-9455-926a-d65c16db1809") == 0);
  vda = catalog_checkpoint_disk (c, "vda");
  assert (vda->size == 8388608 && vda->gap_before && vda->lost == NULL);
  assert (strcmp (vda->source, "/i/vda.raw inode 109") == 0);
  vdb = catalog_checkpoint_disk (c, "vdb");
  assert (vdb->size == 16777216 && !vdb->gap_before && vdb->source == NULL);
  assert (strcmp (vdb->bitmap, "other") == 0);
  assert (strcmp (vdb->lost, "bitmap-inconsistent") == 0);
}

/* It is read, and nothing is lost when it is written anew. */
static void
test_earlier_form (void)
{
  struct catalog *catalog = open_good ();

  catalog_close (catalog);
  write_file ("tue.xml", earlier);
  catalog = open_good ();
  expect_earlier (catalog_find (catalog, "tue"), CHECKPOINT_TENTATIVE);
  assert (catalog_set_state (catalog, "tue", CHECKPOINT_COMMITTED, NULL) == 0);
  catalog_close (catalog);
  catalog = open_good ();
  expect_earlier (catalog_find (catalog, "tue"), CHECKPOINT_COMMITTED);
  catalog_close (catalog);
  clean ();
}

static void
expect_refused (const struct checkpoint *c, const char *part)
{
  struct failure why = { .error = 0 };
  struct catalog *catalog = open_good ();

  assert (catalog_add (catalog, c, &why) < 0);
  if (strstr (why.text, part) == NULL || strstr (why.text, "many") == NULL) {
    fprintf (stderr, "\"%s\" does not say \"%s\"\n", why.text, part);
    abort ();
  }
  assert (catalog_count (catalog) == 0 && !file_exists ("many.xml"));
  catalog_close (catalog);
  catalog_close (open_good ());
}

/* What could not be read again is not stored. */
static void
test_unreadable (void)
{
  size_t n = 15000;
  struct checkpoint_disk *disks = calloc (n, sizeof *disks);
  char *names = calloc (n, 16), *text = malloc (XML_INPUT_MAX / 5 + 1);
  struct checkpoint c = { .name = (char *) "many", .disks = disks,
                          .n_disks = n };

  for (size_t i = 0; i < n; i++) {
    disks[i].name = names + 16 * i;
    snprintf (disks[i].name, 16, "disk%zu", i);
  }
  expect_refused (&c, "elements");
  memset (text, '&', XML_INPUT_MAX / 5);
  text[XML_INPUT_MAX / 5] = '\0';
  c.n_disks = 1;
  c.description = text;
  expect_refused (&c, "too large");
  free (text);
  free (names);
  free (disks);
  clean ();
}

int
main (void)
{
  snprintf (folder, sizeof folder, "test-catalog-%d.tmp", (int) getpid ());
  clean ();
  test_round_trip ();
  test_refusals ();
  test_order ();
  test_broken_files ();
  test_leftovers ();
  test_marks_and_next ();
  test_put ();
  clean ();
  test_unreadable ();
  test_earlier_form ();
  return 0;
}
