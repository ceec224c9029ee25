/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A chain is whole only with both halves of it, the records on disk and the bitmaps
 * in QEMU.  Who can do without QEMU says so, and who needs both gets them in the
 * one order that is safe: a backup that still ends or that is to be undone changes
 * both, and comes first. */
#include <config.h>

#include <errno.h>

#include <glib.h>

#include "domain-chain.h"
#include "domain-disks.h"
#include "domain-ending.h"
#include "domain-libvirt.h"
#include "domain-recovery.h"
#include "log.h"
#include "qmp-migration.h"
#include "qmp-peer.h"
#include "restore.h"

struct checkpoint_domain
domain_chain_records (struct domain *domain)
{
  return (struct checkpoint_domain) {
    .name = domain->registration->name,
    .catalog = domain->catalog,
    .quiesce_journal = domain->paths.backup.quiesce_journal,
    .boot_id = g_strdup ("")
  };
}

int
domain_chain_get (struct domain *domain, struct checkpoint_domain *where,
                  struct failure *why)
{
  struct qmp_disks disks = { 0 };
  int r = domain->qmp == NULL ? 0 : domain_libvirt_describe (domain, why);

  if (r == 0 && domain->qmp != NULL && domain_xml (domain) != NULL)
    r = qmp_disks_query (domain->qmp, &disks, why);
  if (r < 0)
    return r;
  *where = domain_chain_records (domain);
  where->named = domain_disks_names (domain, &disks);
  qmp_disks_clear (&disks);
  if (domain->qmp == NULL)
    return 0;
  where->qmp = domain->qmp;
  g_free ((char *) where->boot_id);
  where->boot_id = qmp_boot_id (domain->qmp);
  return 0;
}

void
domain_chain_clear (struct checkpoint_domain *where)
{
  g_free ((char *) where->boot_id);
  domain_disks_clear_names (&where->named);
}

static int
settle (struct domain *domain, struct failure *why)
{
  struct checkpoint_domain where;
  int r = domain_chain_get (domain, &where, why);

  if (r < 0)
    return r;
  r = checkpoint_settle (&where, why);
  domain_chain_clear (&where);
  return r;
}

/* Its bitmaps are not missing there: they are where the images are. */
static int
check_images (const struct domain *domain, struct failure *why)
{
  int r = qmp_migration_gave_images (domain->qmp, why);

  return r <= 0 ? r
         : failure_set (why, FAILURE_BUSY, EBUSY, "the virtual machine of %s "
                        "was migrated or saved, or is being migrated in, and "
                        "the QEMU behind %s does not have its disks: use the "
                        "QEMU where it runs, or start it there",
                        domain_name (domain), domain_where (domain));
}

int
domain_chain_open (struct domain *domain, struct failure *why)
{
  /* Its disks are not where their bitmaps are looked for. */
  int r = restore_check_machine (domain_name (domain), why);

  if (r == 0)
    r = domain_backup_none (domain, why);
  if (r == 0)
    r = domain_connect (domain, why);
  if (r == 0)
    r = qmp_check_needed (domain->qmp, why);
  if (r == 0)
    r = check_images (domain, why);
  if (r == 0)
    r = domain_catalog_open (domain, why);
  return r;
}

int
domain_chain_settle (struct domain *domain, struct failure *why)
{
  int r = domain_chain_open (domain, why);

  return r == 0 ? settle (domain, why) : r;
}

int
domain_chain_open_catalog (struct domain *domain, struct failure *why)
{
  struct failure fault = { .error = 0 };
  int r = domain_backup_none (domain, why);

  if (r < 0)
    return r;
  r = domain_connect (domain, &fault);
  if (r < 0 && domain->recovery_due)
    return failure_set (why, fault.class, -r, "%s", fault.text);
  return domain_catalog_open (domain, why);
}

void
domain_chain_start (struct domain *domain)
{
  struct failure why = { .error = 0 };
  int r = domain_catalog_open (domain, &why);

  if (r == 0 && checkpoint_is_unsettled (domain->catalog))
    r = domain_chain_settle (domain, &why);
  if (r < 0)
    log_warning ("%s: checkpoints are looked after by the next command: %s",
                 domain->registration->name, why.text);
}
