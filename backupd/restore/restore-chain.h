/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The backing files of an image, each opened once, read-only, as by their names no other
 * process is to open them.
 *
 * Threads: any; of one chain, one at a time. */
#ifndef PULLBACK_RESTORE_CHAIN_H
#define PULLBACK_RESTORE_CHAIN_H

#include <stddef.h>

#include <glib.h>
#include <json-c/json.h>

#include "failure.h"

struct restore_layer {
  int fd;
  char *path, *format;
};

struct restore_chain {
  GArray *layers;               /* of struct restore_layer, nearest first; NULL: none */
};

/* Of the image at PATH of which qemu-img says INFO.  Each must say its format, and be a file below
 * one of FOLDERS (NULL ends them; NULL: any); names are looked up beside the image that has them.
 * To be closed. */
int restore_chain_open (const char *path, json_object *info, const char *const *folders,
                        struct restore_chain *chain, struct failure *why) WARN_UNUSED;
void restore_chain_close (struct restore_chain *chain);

/* LAYER, which is taken over, is the lowest one. */
void restore_chain_add (struct restore_chain *chain, struct restore_layer layer);

/* Nobody has to mend the image at PATH first, of which qemu-img says INFO, nor has it its data
 * elsewhere or encrypted. */
int restore_chain_check_image (const char *path, json_object *info, struct failure *why) WARN_UNUSED;

#endif
