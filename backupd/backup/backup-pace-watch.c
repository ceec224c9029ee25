/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* QEMU is asked how the guest's requests fare on the backup's devices, and the law's
 * answer goes into the device's pace file: often while bytes are taken there, and now
 * and then while none are, so that a pull that begins need not wait for it.  The
 * question is sent and the thread goes on: the answer comes like an event, and where
 * none comes nothing is said, so that views go by the sink's writes alone.  A
 * guest is looked at whoever reads from its device, as it suffers from any. */
#include <config.h>

#include <string.h>

#include "backup-pace-model.h"
#include "log.h"

#define MS INT64_C (1000000)

/* QEMU's main loop is the guest's, too: asked this often, and never for more than a
 * tenth of the time. */
#define ASK_EVERY (50 * MS)
#define ASK_SOON (20 * MS)      /* the second time: one answer is no rate */
#define ASK_PART 10
/* While nobody reads; and so long an answer is good for. */
#define REST_EVERY (BACKUP_TICK_MS * MS)
#define REST_PART 50
#define REST_MOST (2 * REST_EVERY)
#define REST_KNOWN (3 * REST_EVERY)
/* An answer that does not come is waited for so long, then twice as long ... */
#define PATIENCE (2000 * MS)
#define PATIENCE_MOST (60000 * MS)
/* Nobody reads any more. */
#define PULL_ENDS (1000 * MS)
#define LOOK_EVERY (BACKUP_TICK_MS * MS)

static void
say (struct backup_pace *pace, struct pace_device *device, uint64_t limit)
{
  int64_t now = pace_now ();

  device->limit = limit;
  if (device->slot < 0 ||
      pace_slot_say (device->pace, device->slot, pace->owner, limit, now) < 0)
    device->slot = pace_slot_take (device->pace, pace->owner, now);
  if (device->slot >= 0)
    (void) !pace_slot_say (device->pace, device->slot, pace->owner, limit, now);
}

/* Of all disks of BACKUP that are on DEVICE. */
static bool
sum_up (const struct backup *backup, const struct pace_device *device,
        json_object *result, struct qmp_blockstats *sum)
{
  struct backup_disk *disk;
  bool counts = false;

  *sum = (struct qmp_blockstats) { .idle_ns = UINT64_MAX };
  FOR_EACH_DISK (backup, disk) {
    g_autofree char *path = backup_pace_path (backup, disk);
    struct qmp_blockstats stats;

    if (strcmp (path, device->path) != 0 ||
        !qmp_blockstats_find (result, disk->qdev, &stats))
      continue;
    counts = true;
    sum->operations += stats.operations;
    sum->transfers += stats.transfers;
    sum->transfer_ns += stats.transfer_ns;
    sum->idle_ns = MIN (sum->idle_ns, stats.idle_ns);
  }
  return counts;
}

/* The first answer tells no rate, but for how long the guest has done nothing. */
static void
meet (struct pace_device *device, const struct qmp_blockstats *sum,
      uint64_t taken, int64_t now)
{
  device->law = (struct pace_law) {
    .phase = PACE_IDLE,
    .active_at = sum->idle_ns < (uint64_t) now ? now - (int64_t) sum->idle_ns
                                               : 0,
  };
  device->before = *sum;
  device->taken_from = taken;
  device->answered = now - 1;
}

static void
look_at_guest (struct backup *backup, struct pace_device *device,
               json_object *result, int64_t now)
{
  struct pace_sample sample = { .now = now };
  uint64_t taken = pace_counted (device->pace), limit;
  bool first = device->answered == 0;
  struct qmp_blockstats sum;

  sample.knows_operations = sum_up (backup, device, result, &sum);
  if (first)
    meet (device, &sum, taken, now);
  sample.length = MAX (now - device->answered, 1);
  sample.operations = sum.operations - device->before.operations;
  sample.transfers = sum.transfers - device->before.transfers;
  sample.waited = sum.transfer_ns - device->before.transfer_ns;
  /* The device's writes may be another guest's.  Where QEMU counts none of this
   * guest's requests, they are. */
  sample.writes = pace_writes (device->pace, now) &&
                  (!sample.knows_operations || sample.operations > 0);
  sample.taken = taken - device->taken_from;
  limit = first || !backup_pace_is_pulled (backup->pace)
          ? pace_law_rest (&device->law, &sample)
          : pace_law_step (&device->law, &sample,
                           pace_floor_rate (device->pace));
  backup->pace->counts |= sample.knows_operations;
  device->before = sum;
  device->taken_from = taken;
  device->answered = now;
  say (backup->pace, device, limit);
}

/* One that comes late must not be too old before the next one. */
static int64_t
pause_after (int64_t took, bool pulled)
{
  return pulled ? ASK_PART * took
         : MAX (ASK_PART * took, MIN (REST_PART * took, REST_MOST));
}

static void
take_answer (void *opaque, json_object *result)
{
  struct backup *backup = opaque;
  struct backup_pace *pace = backup->pace;
  bool pulled = backup_pace_is_pulled (pace), first = false;
  int64_t now = pace_now (), every = pulled ? ASK_EVERY : REST_EVERY;
  int64_t pause = pause_after (now - pace->asked, pulled);

  pace->counts = false;
  for (guint i = 0; i < pace->devices->len; i++) {
    struct pace_device *device = g_ptr_array_index (pace->devices, i);

    first |= device->answered == 0;
    look_at_guest (backup, device, result, now);
  }
  pace->asked = 0;
  pace->ask_at = now + MAX (pause, first ? ASK_SOON : every);
}

static void
ask (struct backup *backup, int64_t now)
{
  struct backup_pace *pace = backup->pace;

  /* A question that has waited in vain is not waited for any more. */
  pace->patience = pace->asked == 0 ? PATIENCE
                   : MIN (2 * pace->patience, PATIENCE_MOST);
  pace->asked = now;
  pace->ask_at = now + pace->patience;
  if (qmp_blockstats_ask (backup->vm.qmp, take_answer, backup) < 0)
    log_debug ("QEMU of %s is not asked for its guest's requests",
               backup->options.domain);
}

/* Nobody reads.  A pull that begins is not to be first until something is known of the
 * guest, and where QEMU does not answer nothing is. */
static void
rest (struct backup_pace *pace, int64_t now)
{
  for (guint i = 0; i < pace->devices->len; i++) {
    struct pace_device *device = g_ptr_array_index (pace->devices, i);

    if (device->answered != 0 && now - device->answered <= REST_KNOWN)
      continue;
    device->answered = 0;
    device->law = (struct pace_law) { .phase = PACE_IDLE };
    say (pace, device, PACE_FIXED_GATE);
  }
}

static void
look_for_pulls (struct backup_pace *pace, int64_t now)
{
  for (guint i = 0; i < pace->devices->len; i++) {
    struct pace_device *device = g_ptr_array_index (pace->devices, i);
    uint64_t counted = pace_counted (device->pace);

    if (counted != device->counted)
      pace->pulled = now;
    device->counted = counted;
  }
  memmove (pace->looks + 1, pace->looks,
           sizeof pace->looks - sizeof pace->looks[0]);
  pace->looks[0].at = pace->looked = now;
  pace->looks[0].bytes = pace_counted (pace->own);
}

void
backup_pace_forget_question (struct backup *backup)
{
  if (backup->pace == NULL)
    return;
  backup->pace->asked = backup->pace->ask_at = 0;
}

bool
backup_pace_is_pulled (const struct backup_pace *pace)
{
  return pace->pulled != 0 && pace->looked - pace->pulled < PULL_ENDS;
}

int
backup_pace_tick (struct backup *backup)
{
  struct backup_pace *pace = backup->pace;
  int64_t now = pace_now ();

  if (pace == NULL)
    return BACKUP_TICK_MS;
  if (now - pace->looked >= LOOK_EVERY) {
    look_for_pulls (pace, now);
    if (!backup_pace_is_pulled (pace) && backup_pace_is_on (backup) &&
        backup->state == BACKUP_READY)
      rest (pace, now);
  }
  if (!backup_pace_is_on (backup) || backup->state != BACKUP_READY ||
      backup->vm.qmp == NULL)
    return BACKUP_TICK_MS;
  if (now >= pace->ask_at)
    ask (backup, now);
  return (int) CLAMP ((pace->ask_at - now) / MS + 1, 1, BACKUP_TICK_MS);
}
