/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A new machine beside the one that was backed up, which may run, be off, or exist no more: only
 * its XML is needed.  What cannot be is found out before an image is made, also that libvirt has
 * one of that name. */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include <glib.h>

#include "domain.h"
#include "json-members.h"
#include "libvirt-definition.h"
#include "libvirt-link.h"
#include "requests-restore-disks.h"
#include "requests-restore-domain.h"
#include "restore-format.h"
#include "size.h"
#include "xml-clone.h"

/* For libvirt to say what it has; QEMU is not asked. */
#define LIBVIRT_MS 10000
#define SECTOR 512

struct plan {
  const struct arguments_restore_begin *given;
  const char *source;           /* what the other machine is called; for people */
  const char *uri;              /* of libvirt; NULL: it is not asked */
  char *xml;                    /* of the other machine */
  struct xml_domain *domain;    /* the same, read; NULL: not yet */
  char *uuid, *path, *new_xml;  /* of the new one; PATH: the file of its XML */
  GArray *disks;                /* struct restore_disk: paths are ours, the rest DOMAIN's */
  GPtrArray *notes;
};

static void
clear (struct plan *plan)
{
  for (guint i = 0; i < plan->disks->len; i++)
    g_free ((char *) g_array_index (plan->disks, struct restore_disk, i).path);
  g_array_unref (plan->disks);
  g_ptr_array_unref (plan->notes);
  xml_domain_destroy (plan->domain);
  g_free (plan->xml);
  g_free (plan->uuid);
  g_free (plan->path);
  g_free (plan->new_xml);
}

/* --- what was asked for ------------------------------------------------------------ */

static int
check_given (const struct arguments_restore_begin *given, struct failure *why)
{
  const char *other = given->images.n > 0 ? "image"
                      : given->format != NULL ? "format"
                      : given->since != NULL ? "since" : NULL;

  if (other != NULL)
    return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL, "--%s is for images "
                        "that exist, and --as makes new ones", other);
  if (given->folder == NULL)
    return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL, "--as needs --folder, "
                        "where the images of %s are to be made", given->as);
  if (given->name == NULL && given->xml == NULL)
    return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL, "say which domain %s "
                        "is made of, or --xml with what virsh dumpxml has said "
                        "of it", given->as);
  return given->libvirt == NULL ? 0 : libvirt_link_check (given->libvirt, why);
}

/* DOMAIN: NULL where there is only an XML. */
static int
read_source (struct plan *plan, const struct domain *domain,
             struct failure *why)
{
  const struct arguments_restore_begin *given = plan->given;
  const struct domain_registration *registration =
    domain == NULL ? NULL : domain->registration;
  struct libvirt_definition found = { .name = NULL };
  int r;

  plan->source = given->name != NULL ? given->name : "of --xml";
  plan->uri = given->libvirt != NULL ? given->libvirt
              : registration == NULL ? NULL : registration->libvirt_uri;
  if (given->define && plan->uri == NULL)
    return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL, "--define needs "
                        "--libvirt URI, where %s is to be defined", given->as);
  if (given->xml != NULL) {
    plan->xml = g_strdup (given->xml);
    return 0;
  }
  if (registration->libvirt_uri == NULL)
    return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL, "the domain %s is not "
                        "libvirt's, and --as needs its XML: say --xml FILE",
                        plan->source);
  r = libvirt_definition_read (registration->libvirt_uri,
                               registration->libvirt_uuid != NULL
                               ? registration->libvirt_uuid
                               : registration->libvirt_domain, LIBVIRT_MS,
                               &found, why);
  if (r == -ENOENT)
    return failure_set (why, FAILURE_DOMAIN_NOT_FOUND, ENOENT, "libvirt at %s "
                        "has the virtual machine of the domain %s no more: give "
                        "what virsh dumpxml has said of it, by --xml FILE",
                        registration->libvirt_uri, plan->source);
  if (r == 0)
    plan->xml = g_steal_pointer (&found.xml);
  libvirt_definition_clear (&found);
  return r;
}

/* Nothing has its name yet. */
static int
check_name (struct plan *plan, struct failure *why)
{
  const char *name = plan->given->as;
  struct libvirt_definition found = { .name = NULL };
  struct stat st;
  int r;

  if (!plan->given->define) {
    g_autofree char *file = g_strconcat (name, ".xml", NULL);

    plan->path = g_build_filename (plan->given->folder, file, NULL);
    if (lstat (plan->path, &st) < 0 && errno == ENOENT)
      return 0;
    return failure_set (why, FAILURE_EXISTS, EEXIST, "%s, which is for the XML "
                        "of %s, exists: choose another name, or another "
                        "--folder", plan->path, name);
  }
  r = libvirt_definition_read (plan->uri, name, LIBVIRT_MS, &found, why);
  libvirt_definition_clear (&found);
  if (r == -ENOENT)
    return 0;
  return r < 0 ? r
         : failure_set (why, FAILURE_EXISTS, EEXIST, "libvirt at %s has a "
                        "virtual machine %s: choose another name", plan->uri,
                        name);
}

/* --- its disks --------------------------------------------------------------------- */

/* Of the image that the other machine has; 0: it cannot be told. */
static uint64_t
size_of_image (const struct xml_domain_disk *disk)
{
  CLEANUP_FD int fd = -1;
  CLEANUP_JSON json_object *info = NULL;
  struct failure why = { .error = 0 };
  struct stat st;

  /* Of other formats one image may lead to others, and FIFOs are not opened. */
  if (restore_format_check (disk->format, &why) < 0 ||
      stat (disk->source, &st) < 0 ||
      (!S_ISREG (st.st_mode) && !S_ISBLK (st.st_mode)))
    return 0;
  fd = open (disk->source, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0 || restore_format_info (fd, disk->source, disk->format, &info,
                                     &why) < 0)
    return 0;
  return json_get_u64 (info, "virtual-size");
}

static int
find_size (const struct plan *plan, const struct requests_restore_disk *chosen,
           uint64_t *size, struct failure *why)
{
  const char *name = chosen->disk->target;
  uint64_t bytes;

  if (chosen->more != NULL) {
    if (size_parse (chosen->more, &bytes) < 0)
      return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL, "--disk %s=%.40s: "
                          "that is no size, such as 64G", name, chosen->more);
  }
  else
    bytes = plan->given->size >= 0 ? (uint64_t) plan->given->size
            : size_of_image (chosen->disk);
  if (bytes == 0)
    return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL, "how large the disk "
                        "%s is cannot be told by %s, its image: say it, as "
                        "--disk %s=64G", name, chosen->disk->source, name);
  *size = (bytes + SECTOR - 1) / SECTOR * SECTOR;
  return 0;
}

static int
add_disk (struct plan *plan, const struct requests_restore_disk *chosen,
          struct failure *why)
{
  const char *format = plan->given->create != NULL ? plan->given->create
                       : chosen->disk->format;
  g_autofree char *file =
    g_strdup_printf ("%s-%s.%s", plan->given->as, chosen->disk->target, format);
  struct restore_disk one = {
    .name = chosen->disk->target, .format = format, .create = true
  };
  int r;

  if (strcmp (format, "raw") != 0 && strcmp (format, "qcow2") != 0)
    return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL, "the new image of "
                        "%s would be of the format %s, and can be raw or qcow2: "
                        "say --create", one.name, format);
  r = find_size (plan, chosen, &one.size, why);
  if (r < 0)
    return r;
  one.path = g_build_filename (plan->given->folder, file, NULL);
  g_array_append_val (plan->disks, one);
  return 0;
}

static int
add_disks (struct plan *plan, struct failure *why)
{
  g_autoptr (GArray) chosen = NULL;
  CLEANUP_JSON json_object *skipped = NULL;
  int r = xml_domain_parse (plan->xml, &plan->domain, why);

  if (r == 0)
    r = requests_restore_choose (plan->source, plan->domain, plan->given,
                                 &chosen, &skipped, why);
  for (guint i = 0; r == 0 && i < chosen->len; i++)
    r = add_disk (plan,
                  &g_array_index (chosen, struct requests_restore_disk, i), why);
  return r;
}

/* --- beginning --------------------------------------------------------------------- */

static int
make_xml (struct plan *plan, struct failure *why)
{
  g_autofree struct xml_clone_disk *disks =
    g_new0 (struct xml_clone_disk, plan->disks->len + 1);
  const struct xml_clone wanted = {
    .name = plan->given->as, .uuid = plan->uuid,
    .folder = plan->given->folder, .disks = disks, .n_disks = plan->disks->len
  };

  for (guint i = 0; i < plan->disks->len; i++) {
    const struct restore_disk *disk =
      &g_array_index (plan->disks, struct restore_disk, i);

    disks[i] = (struct xml_clone_disk) {
      .target = disk->name, .path = disk->path, .format = disk->format
    };
  }
  return xml_clone_make (plan->xml, &wanted, &plan->new_xml, plan->notes, why);
}

static int
begin (struct plan *plan, json_object **result, struct failure *why)
{
  const struct restore_definition definition = {
    .name = plan->given->as, .uuid = plan->uuid, .xml = plan->new_xml,
    .uri = plan->given->define ? plan->uri : NULL, .path = plan->path
  };
  json_object *notes;
  int r = restore_begin (plan->given, &(struct restore_disks) {
                           .disks = (struct restore_disk *) (void *)
                                    plan->disks->data,
                           .n = plan->disks->len, .definition = &definition
                         }, result, why);

  if (r < 0)
    return r;
  notes = json_object_new_array ();
  for (guint i = 0; i < plan->notes->len; i++)
    json_object_array_add (notes, json_object_new_string (
                             g_ptr_array_index (plan->notes, i)));
  json_object_object_add (*result, "notes", notes);
  return 0;
}

static int
run (struct plan *plan, const struct domain *domain, json_object **result,
     struct failure *why)
{
  int r = read_source (plan, domain, why);

  if (r == 0)
    r = check_name (plan, why);
  if (r == 0)
    r = add_disks (plan, why);
  if (r == 0)
    r = make_xml (plan, why);
  return r == 0 ? begin (plan, result, why) : r;
}

int
requests_restore_as (struct domain_registry *registry,
                     const struct arguments_restore_begin *given,
                     json_object **result, struct failure *why)
{
  struct plan plan = { .given = given };
  struct domain *domain = NULL;
  int r = check_given (given, why);

  if (r == 0 && given->name != NULL)
    r = domain_registry_take (registry, given->name, &domain, why);
  if (r < 0)
    return r;
  plan.uuid = g_uuid_string_random ();
  plan.disks = g_array_new (FALSE, FALSE, sizeof (struct restore_disk));
  plan.notes = g_ptr_array_new_with_free_func (g_free);
  r = run (&plan, domain, result, why);
  clear (&plan);
  if (domain != NULL)
    domain_registry_release (registry, domain);
  return r;
}
