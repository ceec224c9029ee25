/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The order of an abort, of a begin that failed, and of what the next daemon does. */
#include <config.h>

#include "restore-steps.h"

int
restore_undo (struct restore *restore, struct failure *why)
{
  int r = steps_undo (restore_serve_steps, n_restore_serve_steps, restore, why);

  return r < 0 ? r : steps_undo (restore_begin_steps, n_restore_begin_steps,
                                 restore, why);
}
