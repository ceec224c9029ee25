/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A checkpoint without a backup.  Rule C3: the catalog knows it, as tentative,
 * before QEMU does; a crash at any step merges it back. */
#include <config.h>

#include <errno.h>
#include <string.h>

#include <glib.h>

#include "checkpoint-chain.h"
#include "checkpoint-run.h"
#include "log.h"
#include "name.h"
#include "qmp-peer.h"
#include "quiesce.h"

struct create {
  const struct checkpoint_domain *domain;
  const struct checkpoint_create_options *options;
  const char *uuid;
  struct qmp_disks live;
  struct checkpoint_share *shares;      /* per disk */
  struct quiesce *quiesce;      /* while the guest is frozen */
  bool made;                    /* QEMU may have a bitmap of it */
};

static int
run_catalog (void *context, struct failure *why)
{
  const struct create *create = context;
  const struct catalog *catalog = create->domain->catalog;
  const struct checkpoint *newest = catalog_newest (catalog);
  const char *name = create->options->name;
  g_autofree struct checkpoint_disk *disks =
    g_new0 (struct checkpoint_disk, create->live.n);
  const struct checkpoint c = {
    .name = (char *) name,
    .parent = newest == NULL ? NULL : newest->name,
    .description = (char *) create->options->description,
    .consumer = (char *) create->options->consumer,
    .domain_uuid = (char *) create->uuid,
    .boot_id = (char *) create->domain->boot_id,
    .creation_time = g_get_real_time () / G_USEC_PER_SEC,
    .state = CHECKPOINT_TENTATIVE,
    .disks = disks, .n_disks = create->live.n
  };

  for (size_t i = 0; i < c.n_disks; i++) {
    const struct qmp_disk *live = &create->live.disks[i];

    disks[i].name = live->name;
    disks[i].bitmap = (char *) name;
    disks[i].size = live->size;
    disks[i].source = live->image;
    create->shares[i] = (struct checkpoint_share) {
      .node = live->node, .bitmap = name,
      .persistent = live->can_persist_bitmaps
    };
    checkpoint_find_previous (catalog, live, create->uuid,
                              &create->shares[i].previous,
                              &disks[i].gap_before);
  }
  return catalog_add (create->domain->catalog, &c, why);
}

/* What QEMU may have made is merged back; when QEMU cannot be asked it stays
 * tentative until it can.  Else a bitmap of its name is somebody else's. */
static int
undo_catalog (void *context, struct failure *why)
{
  const struct create *create = context;

  return create->made ? checkpoint_settle (create->domain, why)
                      : catalog_remove (create->domain->catalog,
                                        create->options->name, why);
}

static int
run_quiesce (void *context, struct failure *why)
{
  struct create *create = context;
  const char *agent = create->options->agent;

  return agent == NULL ? 0
         : quiesce_begin (agent, NULL, create->domain->quiesce_journal,
                          create->domain->boot_id, &create->quiesce, why);
}

/* Also the undo of the freeze. */
static int
run_thaw (void *context, struct failure *why)
{
  struct create *create = context;
  struct checkpoint_consistency *consistency = create->options->consistency;

  if (create->quiesce == NULL)
    return 0;
  consistency->reason = quiesce_end (create->quiesce, &consistency->ms,
                                     &consistency->quiesced);
  create->quiesce = NULL;
  return 0;
}

static int
run_bitmaps (void *context, struct failure *why)
{
  struct create *create = context;
  struct checkpoint_plan *plan = checkpoint_plan_create ();
  int r;

  checkpoint_plan_start (plan, create->shares, create->live.n);
  create->made = true;
  r = checkpoint_run (create->domain->qmp, plan, why);
  create->made = r != -EREMOTEIO;
  return r;
}

/* The ones before stop when the new ones record (rule C2). */
static int
run_stop (void *context, struct failure *why)
{
  const struct create *create = context;
  struct checkpoint_plan *plan = checkpoint_plan_create ();

  checkpoint_plan_stop (plan, create->shares, create->live.n);
  return checkpoint_run (create->domain->qmp, plan, why);
}

static int
run_commit (void *context, struct failure *why)
{
  const struct create *create = context;

  return catalog_set_state (create->domain->catalog, create->options->name,
                            CHECKPOINT_COMMITTED, why);
}

const struct step checkpoint_create_steps[] = {
  { "create-catalog", run_catalog, undo_catalog },
  { "create-quiesce", run_quiesce, run_thaw },
  { "create-bitmaps", run_bitmaps, NULL },
  { "create-thaw", run_thaw, NULL },
  { "create-stop-previous", run_stop, NULL },
  { "create-commit", run_commit, NULL },
};
const size_t n_checkpoint_create_steps =
  sizeof checkpoint_create_steps / sizeof checkpoint_create_steps[0];

static int
check_name (const struct checkpoint_domain *domain, const char *name,
            struct failure *why)
{
  if (!name_is_checkpoint (name))
    return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL, "'%.100s%s' cannot "
                        "be a checkpoint name: use letters, digits, '_', '-' "
                        "and '.', at most 200", name,
                        strlen (name) > 100 ? "..." : "");
  if (catalog_find (domain->catalog, name) != NULL)
    return failure_set (why, FAILURE_EXISTS, EEXIST, "the domain %s already "
                        "has a checkpoint called %s: choose another name",
                        domain->name, name);
  return 0;
}

static int
create_run (struct create *create, struct failure *why)
{
  struct failure undo_why = { .error = 0 };
  g_autofree struct checkpoint_share *shares =
    g_new0 (struct checkpoint_share, create->live.n);
  size_t started;
  int r = 0;

  create->shares = shares;
  for (size_t i = 0; r == 0 && i < create->live.n; i++)
    r = checkpoint_disks_check_free (&create->live.disks[i],
                                     create->options->name, why);
  if (r < 0)
    return r;
  r = steps_run (checkpoint_create_steps, n_checkpoint_create_steps, create,
                 &started, why);
  if (r < 0 && steps_undo (checkpoint_create_steps, started, create,
                           &undo_why) < 0)
    log_warning ("after a failed checkpoint of %s: %s", create->domain->name,
                 undo_why.text);
  return r;
}

int
checkpoint_create (const struct checkpoint_domain *domain,
                   const struct checkpoint_create_options *options,
                   struct failure *why)
{
  char uuid[64];
  struct create create = { .domain = domain, .options = options,
                           .uuid = uuid };
  int r = checkpoint_settle (domain, why);

  if (r == 0)
    r = check_name (domain, options->name, why);
  if (r == 0)
    r = qmp_uuid (domain->qmp, uuid, sizeof uuid, why);
  if (r == 0)
    r = checkpoint_disks_choose (domain->qmp, domain->name, options->disks,
                                 options->n_disks, &domain->named,
                                 &create.live, NULL, why);
  if (r == 0)
    r = create_run (&create, why);
  qmp_disks_clear (&create.live);
  return r;
}
