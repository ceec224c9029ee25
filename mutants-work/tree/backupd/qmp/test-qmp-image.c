/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which images are the same, as texts of this and of earlier versions tell. */
#include <config.h>

#include <stdio.h>
#include <stdlib.h>

#include "qmp-image.h"

static const struct {
  const char *before, *now;
  enum qmp_image_likeness want;
} cases[] = {
  { "/a inode 5 born 7.000000001", "/a inode 5 born 7.000000001", QMP_IMAGE_SAME },
  { "/a inode 5 born 7.000000001", "/a inode 5 born 8.000000001", QMP_IMAGE_OTHER },
  { "/a inode 5 device 8:1", "/a inode 5 device 8:2", QMP_IMAGE_OTHER },
  { "/a inode 5 device 8:1", "/b inode 5 device 8:1", QMP_IMAGE_OTHER },
  { "/a inode 5 device 8:1", "/a inode unknown", QMP_IMAGE_UNKNOWN },
  { "/a inode unknown", "/a inode 5 device 8:1", QMP_IMAGE_UNKNOWN },
  { "/a inode unknown", "/a inode unknown", QMP_IMAGE_UNKNOWN },
  { "/a inode unknown", "/b inode unknown", QMP_IMAGE_OTHER },
  { "/dev/fdset/1 inode 5 device 8:1", "/dev/fdset/1 inode 6 device 8:1", QMP_IMAGE_OTHER },
  { "nbd://host/a", "nbd://host/a", QMP_IMAGE_SAME },
  { "nbd://host/a", "nbd://host/b", QMP_IMAGE_OTHER },
  /* Of earlier versions. */
  { "/a inode 5", "/a inode 5 born 7.000000001", QMP_IMAGE_SAME },
  { "/a inode 5", "/a inode 55 born 7.000000001", QMP_IMAGE_OTHER },
  { "/a inode 5", "/a inode unknown", QMP_IMAGE_UNKNOWN },
  { "/dev/vg/a", "/dev/vg/a device 253:3", QMP_IMAGE_SAME },
  { "/a", "/a inode 5 born 7.000000001", QMP_IMAGE_SAME },
  { "/a", "/b inode 5 born 7.000000001", QMP_IMAGE_OTHER },
  { "a", "a inode 5 born 7.000000001", QMP_IMAGE_UNKNOWN },
  { "/dev/fdset/1", "/dev/fdset/1 inode 5 device 8:1", QMP_IMAGE_UNKNOWN },
};

int
main (void)
{
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    enum qmp_image_likeness have = qmp_image_compare (cases[i].before,
                                                      cases[i].now);

    if (have == cases[i].want)
      continue;
    fprintf (stderr, "'%s' and '%s': %d, want %d\n", cases[i].before,
             cases[i].now, (int) have, (int) cases[i].want);
    return 1;
  }
  return 0;
}
