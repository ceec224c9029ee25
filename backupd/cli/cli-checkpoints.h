/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Lists of checkpoints for people. */
#ifndef PULLBACK_CLI_CHECKPOINTS_H
#define PULLBACK_CLI_CHECKPOINTS_H

#include <json-c/json.h>

/* CHECKPOINTS, parents first: their names, or the tree of these as virsh
 * draws it. */
void cli_checkpoint_names (json_object *checkpoints);
void cli_checkpoint_tree (json_object *checkpoints);

#endif
