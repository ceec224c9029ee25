/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How the gateway tells the view where payload is to go (rules M1 to M4 of
 * docs/consistency.md).
 *
 * EXPORT/memory of the view is EXPORT for one connection that has memory of its
 * own (handover-memory.h).  NBD_CMD_CACHE there means "read into the memory": the
 * offset's low HANDOVER_OFFSET_BITS are where on the disk, the bits above are the
 * place in the memory, in units.  The reply has no payload.  So the export is
 * declared as large as any can be; the disk's size comes with the memory. */
#ifndef PULLBACK_HANDOVER_OFFSET_H
#define PULLBACK_HANDOVER_OFFSET_H

#include <stdint.h>

/* No name has a slash (name.h). */
#define HANDOVER_SUFFIX "/memory"

/* Of a connection.  A slot begins at a multiple of the unit, which is a page, so that
 * O_DIRECT reads straight into it. */
#define HANDOVER_BYTES (UINT32_C (4) << 20)
#define HANDOVER_UNIT UINT32_C (4096)

#define HANDOVER_OFFSET_BITS 53
#define HANDOVER_DISK_MAX ((UINT64_C (1) << HANDOVER_OFFSET_BITS) - 1)
#define HANDOVER_EXPORT_SIZE INT64_MAX

/* SLOT: bytes from the start of the memory, a multiple of the unit.  OFFSET: of the
 * disk, at most HANDOVER_DISK_MAX. */
static inline uint64_t
handover_offset_join (uint32_t slot, uint64_t offset)
{
  return (uint64_t) (slot / HANDOVER_UNIT) << HANDOVER_OFFSET_BITS | offset;
}

/* Of any JOINED below 2^63; SLOT is below HANDOVER_BYTES. */
static inline void
handover_offset_split (uint64_t joined, uint32_t *slot, uint64_t *offset)
{
  *slot = (uint32_t) (joined >> HANDOVER_OFFSET_BITS) * HANDOVER_UNIT;
  *offset = joined & HANDOVER_DISK_MAX;
}

_Static_assert (HANDOVER_BYTES / HANDOVER_UNIT ==
                UINT64_C (1) << (63 - HANDOVER_OFFSET_BITS),
                "an offset has bits for all slots, and for no others");

#endif
