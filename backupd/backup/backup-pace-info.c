/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Pacing as people and metrics see it: the rate, what limits it, and why. */
#include <config.h>

#include <string.h>

#include "backup-pace-model.h"
#include "json-members.h"

/* Bytes per second, in the last one. */
static uint64_t
rate_now (const struct backup_pace *pace)
{
  size_t last = PACE_LOOKS - 1;

  while (last > 0 && pace->looks[last].at == 0)
    last--;
  if (last == 0)
    return 0;
  return (uint64_t) ((double) (pace->looks[0].bytes - pace->looks[last].bytes) *
                     1e9 / (double) (pace->looks[0].at - pace->looks[last].at));
}

/* Of the device that allows least, in *DEVICE; NULL: none limits. */
static uint64_t
least_limit (const struct backup *backup, const struct pace_device **device)
{
  uint64_t least = PACE_UNLIMITED;
  GPtrArray *devices = backup->pace->devices;
  int64_t now = pace_now ();

  *device = NULL;
  for (guint i = 0; i < devices->len && backup_pace_is_on (backup); i++) {
    const struct pace_device *one = g_ptr_array_index (devices, i);
    uint64_t limit = pace_limit (one->pace, now);

    if (limit < least) {
      least = limit;
      *device = one;
    }
  }
  return least;
}

static const char *
guest_word (const struct backup *backup)
{
  GPtrArray *devices = backup->pace->devices;

  if (!backup_pace_is_pulled (backup->pace) || !backup_pace_is_on (backup))
    return "unknown";
  for (guint i = 0; i < devices->len; i++) {
    const struct pace_device *one = g_ptr_array_index (devices, i);

    if (one->law.phase != PACE_IDLE ||
        (!backup->pace->counts && pace_writes (one->pace, pace_now ())))
      return "active";
  }
  return backup->pace->counts ? "idle" : "unknown";
}

static char *
pace_reason (const struct backup *backup, const struct pace_device *device,
             const char *guest)
{
  double strain = device == NULL ? 0 : pace_law_strain (&device->law);

  if (!backup_pace_is_pulled (backup->pace))
    return g_strdup ("nobody reads");
  if (!backup_pace_is_on (backup))
    return g_strdup ("not paced: --pace=off");
  if (device == NULL)
    return g_strdup_printf ("not paced: the guest is %s",
                            strcmp (guest, "idle") == 0 ? "idle"
                                                        : "not seen to work");
  if (device->limit > pace_limit (device->pace, pace_now ()))
    return g_strdup ("paced: for another guest on this device");
  if (strain > 0)
    return g_strdup_printf ("paced: guest at %.1f of its floor", strain);
  return g_strdup (device->law.phase == PACE_BLIND
                   ? "paced: the guest writes, its latency is not known"
                   : "paced: what the guest needs is being found out");
}

void
backup_pace_info (const struct backup *backup, json_object *info)
{
  const struct backup_pace *pace = backup->pace;
  const struct pace_device *device;
  json_object *o;
  uint64_t limit, fixed;
  const char *guest;

  if (pace == NULL)
    return;
  o = json_with ("mode", backup_pace_is_on (backup) ? "guest-first" : "off");
  guest = guest_word (backup);
  limit = least_limit (backup, &device);
  fixed = MIN (pace_limit (pace->own, 0), pace_limit (pace->host, 0));
  json_add_u64 (o, "rate", rate_now (pace));
  json_object_object_add (o, "limit", MIN (limit, fixed) == PACE_UNLIMITED
                          ? NULL : json_object_new_uint64 (MIN (limit, fixed)));
  json_object_object_add (o, "max-rate", fixed == PACE_UNLIMITED
                          ? NULL : json_object_new_uint64 (fixed));
  json_add_string (o, "guest", guest);
  if (fixed < limit)
    json_add_string (o, "reason", "limited by --max-rate");
  else {
    g_autofree char *reason = pace_reason (backup, device, guest);

    json_add_string (o, "reason", reason);
  }
  json_object_object_add (info, "pace", o);
}
