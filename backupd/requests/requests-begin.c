/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* backup-begin is told in three ways, which are one set of options afterwards:
 * by arguments, by libvirt's documents and by what the domain was registered
 * with.  What these options point to is in one struct, which the backup keeps
 * for its time. */
#include <config.h>

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include <glib.h>

#include "catalog-document.h"
#include "checkpoint-disks.h"
#include "domain-disks.h"
#include "requests-begin.h"
#include "socket.h"
#include "xml-backup.h"

struct begin {
  struct domain *domain;
  struct control_arguments *arguments;  /* a copy: the request's end with it */
  struct qmp_disks disks;       /* by people's names */
  struct disk_names names;
  GArray *choices;              /* struct disk_choice; names owned */
  struct xml_backup *backup;            /* NULL: not given */
  struct checkpoint *checkpoint;        /* NULL: not given */
  char *tcp, *checkpoint_name;
  json_object *notes;
};

static void
begin_destroy (void *owner)
{
  struct begin *begin = owner;
  guint i;

  for (i = 0; i < begin->choices->len; i++) {
    struct disk_choice *choice =
      &g_array_index (begin->choices, struct disk_choice, i);

    g_free ((char *) choice->name);
    g_free ((char *) choice->node);
  }
  g_array_free (begin->choices, TRUE);
  qmp_disks_clear (&begin->disks);
  xml_backup_destroy (begin->backup);
  catalog_checkpoint_destroy (begin->checkpoint);
  control_arguments_free (begin->arguments);
  json_object_put (begin->notes);
  domain_disks_clear_names (&begin->names);
  g_free (begin->tcp);
  g_free (begin->checkpoint_name);
  g_free (begin);
}

static struct disk_choice *
choice_at (const struct begin *begin, guint i)
{
  return &g_array_index (begin->choices, struct disk_choice, i);
}

/* Adds the disk called NAME, of NODE if that is not NULL. */
static struct disk_choice *
add_choice (struct begin *begin, const char *name, const char *node)
{
  struct disk_choice choice = { .name = g_strdup (name),
                                .node = g_strdup (node) };

  g_array_append_val (begin->choices, choice);
  return choice_at (begin, begin->choices->len - 1);
}

/* --- the server ----------------------------------------------------- */

/* A socket that is asked for must not take another's place. */
static int
check_socket (const char *path, struct failure *why)
{
  struct stat st;
  CLEANUP_FD int fd = -1;

  if (lstat (path, &st) < 0)
    return 0;
  if (!S_ISSOCK (st.st_mode))
    return failure_set (why, FAILURE_EXISTS, EEXIST,
                        "domainbackup/server: there is a file %s already",
                        path);
  if (socket_connect_unix (path, 0, &fd) == 0)
    return failure_set (why, FAILURE_EXISTS, EADDRINUSE,
                        "domainbackup/server: somebody listens on the socket "
                        "%s already", path);
  return 0;
}

static int
read_server (struct begin *begin, struct backup_options *options,
             struct failure *why)
{
  const struct xml_backup *backup = begin->backup;
  const char *address = backup->address;

  if (backup->transport == XML_TRANSPORT_UNIX) {
    options->client_socket = backup->socket;
    return check_socket (backup->socket, why);
  }
  if (backup->transport == XML_TRANSPORT_DEFAULT)
    return 0;
  if (address == NULL)
    begin->tcp = g_strdup_printf ("%u", backup->port);
  else if (strchr (address, ':') != NULL)
    begin->tcp = g_strdup_printf ("[%s]:%u", address, backup->port);
  else
    begin->tcp = g_strdup_printf ("%s:%u", address, backup->port);
  options->tcp = begin->tcp;
  return 0;
}

/* --- disks of the backup -------------------------------------------- */

static int
read_backup_disk (struct begin *begin,
                  const struct xml_backup_disk *wanted, struct failure *why)
{
  const struct qmp_disk *live;
  struct disk_choice *choice;
  guint i;
  int r;

  if (!wanted->backup)
    return 0;
  r = domain_disks_find (begin->domain, &begin->disks, wanted->name, &live,
                         why);
  if (r < 0)
    return r;
  for (i = 0; i < begin->choices->len; i++)
    if (strcmp (choice_at (begin, i)->name, live->name) == 0)
      return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL,
                          "domainbackup/disks: '%.200s' is disk %s, which is "
                          "there already", wanted->name, live->name);
  choice = add_choice (begin, live->name, NULL);
  choice->full = wanted->full;
  choice->incremental = wanted->incremental;
  choice->export_name = wanted->export_name;
  choice->export_bitmap = wanted->export_bitmap;
  return 0;
}

static int
read_backup (struct begin *begin, struct backup_options *options,
             struct failure *why)
{
  const struct xml_backup *backup = begin->backup;
  int r = read_server (begin, options, why);
  guint i;

  options->incremental = backup->incremental;
  for (i = 0; r == 0 && i < backup->disks->len; i++)
    r = read_backup_disk (begin, g_ptr_array_index (backup->disks, i), why);
  if (r == 0 && backup->has_disks && begin->choices->len == 0)
    r = failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL,
                     "domainbackup/disks: no disk is selected for the backup");
  for (i = 0; r == 0 && i < backup->notes->len; i++)
    json_object_array_add (
      begin->notes,
      json_object_new_string (g_ptr_array_index (backup->notes, i)));
  return r;
}

/* The disks of the option --disk, some by the path of their source. */
static int
read_disk_options (struct begin *begin, json_object *list,
                   struct failure *why)
{
  size_t i, n;
  struct disk_choice *choices = domain_choices_parse (list, &n);
  const struct qmp_disk *live;
  int r = 0;

  for (i = 0; r == 0 && i < n; i++) {
    if (choices[i].name[0] != '/') {
      add_choice (begin, choices[i].name, choices[i].node);
      continue;
    }
    r = domain_disks_find (begin->domain, &begin->disks, choices[i].name,
                           &live, why);
    if (r == 0)
      add_choice (begin, live->name, NULL);
  }
  domain_choices_free (choices, n);
  return r;
}

/* --- disks of the checkpoint ---------------------------------------- */

/* Spells out what is backed up where nobody chose. */
static void
choose_all (struct begin *begin, const struct backup_options *options)
{
  size_t i;

  for (i = 0; i < options->names.n; i++)
    add_choice (begin, options->names.choices[i].name, NULL);
  if (options->names.n > 0)
    return;
  for (i = 0; i < begin->disks.n; i++)
    if (checkpoint_disks_unusable (&begin->disks.disks[i]) == NULL)
      add_choice (begin, begin->disks.disks[i].name, NULL);
}

static int
mark_checkpoint_disk (struct begin *begin,
                      const struct checkpoint_disk *wanted,
                      struct failure *why)
{
  const struct qmp_disk *live;
  guint i;
  int r = domain_disks_find (begin->domain, &begin->disks, wanted->name,
                             &live, why);

  if (r < 0)
    return r;
  for (i = 0; i < begin->choices->len; i++)
    if (strcmp (choice_at (begin, i)->name, live->name) == 0) {
      choice_at (begin, i)->no_checkpoint = wanted->left_out;
      return 0;
    }
  if (wanted->left_out)
    return 0;
  return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL,
                      "domaincheckpoint/disks: disk %s is not in the backup, "
                      "so that its checkpoint would be of another moment: use "
                      "checkpoint-create for it", live->name);
}

static int
read_checkpoint_disks (struct begin *begin,
                       const struct backup_options *options,
                       struct failure *why)
{
  const struct checkpoint *checkpoint = begin->checkpoint;
  bool any = false;
  guint i;
  int r = 0;

  if (begin->choices->len == 0)
    choose_all (begin, options);
  for (i = 0; i < begin->choices->len; i++)
    choice_at (begin, i)->no_checkpoint = true;
  for (i = 0; r == 0 && i < checkpoint->n_disks; i++)
    r = mark_checkpoint_disk (begin, &checkpoint->disks[i], why);
  for (i = 0; i < begin->choices->len; i++)
    any = any || !choice_at (begin, i)->no_checkpoint;
  if (r == 0 && !any)
    r = failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL,
                     "domaincheckpoint/disks: no disk is selected for the "
                     "checkpoint");
  return r;
}

static int
read_checkpoint (struct begin *begin, struct backup_options *options,
                 struct failure *why)
{
  const struct checkpoint *checkpoint = begin->checkpoint;

  begin->checkpoint_name =
    checkpoint->name != NULL ? g_strdup (checkpoint->name)
    : g_strdup_printf ("%" PRId64, g_get_real_time () / G_USEC_PER_SEC);
  options->checkpoint = begin->checkpoint_name;
  options->description = checkpoint->description;
  return checkpoint->has_disks ? read_checkpoint_disks (begin, options, why)
                               : 0;
}

/* --- all of it ------------------------------------------------------ */

/* The XML says it all: an option that says it too would be ignored. */
static int
check_conflicts (const struct arguments_backup_begin *given,
                 struct failure *why)
{
  const char *other = given->disks.array != NULL ? "disks"
                      : given->incremental != NULL ? "incremental"
                      : given->tcp != NULL ? "tcp" : NULL;
  const char *xml = given->backup_xml != NULL && other != NULL ? "backup-xml"
                    : NULL;

  if (xml == NULL && given->checkpoint_xml != NULL &&
      given->checkpoint != NULL) {
    xml = "checkpoint-xml";
    other = "checkpoint";
  }
  if (xml == NULL)
    return 0;
  return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL,
                      "%s and %s exclude each other: the XML says it", xml,
                      other);
}

static int
parse_documents (struct begin *begin,
                 const struct arguments_backup_begin *given,
                 struct failure *why)
{
  int r = check_conflicts (given, why);

  if (r == 0 && given->backup_xml != NULL)
    r = xml_backup_parse (given->backup_xml, &begin->backup, why);
  if (r == 0 && given->checkpoint_xml != NULL)
    r = catalog_document_parse (CATALOG_DOCUMENT_WISH, given->checkpoint_xml,
                                &begin->checkpoint, why);
  return r;
}

/* What the documents and QEMU add to OPTIONS. */
static int
read_all (struct begin *begin, struct backup_options *options,
          struct failure *why)
{
  int r = parse_documents (begin, options->given, why);

  if (r == 0)
    r = domain_disks_query (begin->domain, &begin->disks, why);
  if (r < 0)
    return r;
  begin->names = domain_disks_names (begin->domain, &begin->disks);
  options->names = begin->names;
  r = read_disk_options (begin, options->given->disks.array, why);
  if (r == 0 && begin->backup != NULL)
    r = read_backup (begin, options, why);
  if (r == 0 && begin->checkpoint != NULL)
    r = read_checkpoint (begin, options, why);
  options->disks = (const void *) begin->choices->data;
  options->n_disks = begin->choices->len;
  options->notes = begin->notes;
  return r;
}

static int
read_given (struct begin *begin, const struct arguments_backup_begin *given,
            struct backup_options *options, struct failure *why)
{
  const struct domain *domain = begin->domain;

  *options = (struct backup_options) {
    .tag = domain->tag,
    .given = given,
    .domain = domain->registration->name,
    .checkpoint = given->checkpoint,
    .incremental = given->incremental,
    .consumer = given->consumer,
    .tcp = given->tcp,
    .agent = given->agent != NULL ? given->agent
                                  : domain_registration_agent (domain->registration),
    .quiesce = given->quiesce,
    .ttl = given->ttl >= 0 ? given->ttl : domain->default_ttl,
    .idle_timeout = given->idle_timeout >= 0 ? given->idle_timeout
                                             : domain->default_idle_timeout,
    .owner = begin, .destroy_owner = begin_destroy
  };
  return read_all (begin, options, why);
}

int
requests_begin_read (struct domain *domain,
                     const struct arguments_backup_begin *given,
                     struct backup_options *options, struct failure *why)
{
  struct begin *begin = g_new0 (struct begin, 1);
  int r;

  begin->domain = domain;
  begin->choices = g_array_new (FALSE, TRUE,
                                sizeof (struct disk_choice));
  begin->notes = json_object_new_array ();
  r = control_arguments_decode (given->head.command, given->head.json,
                                &begin->arguments, why);
  if (r == 0)
    r = read_given (begin, (const void *) begin->arguments, options, why);
  if (r < 0)
    begin_destroy (begin);
  return r;
}
