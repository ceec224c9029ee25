/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef PULLBACK_GUEST_LOAD_H
#define PULLBACK_GUEST_LOAD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum { MAX_DISKS = 8 };
enum op { OP_WRITE, OP_ZERO, OP_DISCARD, OP_READ, OPS };

struct options
{
  uint64_t seed, rate, max, base, span, sector;
  uint64_t size, reads, on, off;        /* see guest-writer.c */
  unsigned threads;
  unsigned disks;
  char disk[MAX_DISKS][32];
};

/* Failed reads and writes since the guest started, of any kind. */
extern atomic_ullong errors_seen;

/* Reads "key=value key=value"; changes WORDS.  False for what is unknown. */
extern bool parse_options (char *words, struct options *options);

/* Opens the disk with this serial, or /dev/NAME.  Returns a descriptor, or -1
 * with errno.  PATH becomes the device that was meant.
 */
extern int open_disk (const char *name, int flags, char *path, size_t length);

/* One read or write of BUFFER, zero write or discard.  0 or -errno. */
extern int one_op (int fd, enum op op, unsigned char *buffer, uint64_t offset,
                   uint64_t length);

/* Of a clock that only goes on. */
extern uint64_t microseconds (void);

/* The next of a row of numbers; *STATE is not 0. */
extern uint64_t next_random (uint64_t *state);

/* Starts threads; KIND is load, iops or marker.  0 or -errno. */
extern int start_work (const char *kind, char *words);

/* Prints one line of sums since the last lap or the start; work goes on. */
extern void lap (FILE *port);

/* Ends all threads and prints the last lap. */
extern void stop_work (FILE *port);

/* Starts a thread that writes to a disk and looks at what it has written.  0 or
 * -errno. */
extern int start_verify (char *words);

/* Ends them, when all that they wrote was read again. */
extern void stop_verify (void);

/* Prints their writes, all errors and wrong blocks since the guest started, and
 * their longest read or write since the last report, one that still runs
 * included. */
extern void report_verify (FILE *port);

#endif
