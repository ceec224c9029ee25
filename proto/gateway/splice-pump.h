/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Moves payload from one socket to another through a pipe with splice (2), so
 * that it is not copied through user space.  Small payloads are copied, which
 * is cheaper than the extra system calls; so is everything where the kernel
 * cannot splice these sockets.  One thread per pump. */
#ifndef PULLBACK_SPLICE_PUMP_H
#define PULLBACK_SPLICE_PUMP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cleanup.h"

#define SPLICE_PUMP_HEAD_MAX 64

struct splice_pump {
  int pipe[2];                  /* always empty between two calls */
  size_t pipe_size;
  bool copy;                    /* splice does not work here */
  uint8_t *buffer;
};

int splice_pump_open (struct splice_pump *pump) WARN_UNUSED;
void splice_pump_close (struct splice_pump *pump);

/* Sends HEAD to TO, then LENGTH bytes that are received from FROM.  Both are
 * blocking sockets; SIGPIPE must be ignored.  HEAD_LENGTH is at most
 * SPLICE_PUMP_HEAD_MAX.  -errno: both streams are unusable. */
int splice_pump_move (struct splice_pump *pump, int from, int to, const uint8_t *head, size_t head_length, uint64_t length) WARN_UNUSED;

#endif
