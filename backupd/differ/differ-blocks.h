/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which blocks of two buffers differ, as few runs.  Pure.  Threads: any. */
#ifndef PULLBACK_DIFFER_BLOCKS_H
#define PULLBACK_DIFFER_BLOCKS_H

#include <stdbool.h>
#include <stdint.h>

/* What is compared at once; a multiple of every block. */
#define DIFFER_PIECE (256 * 1024)
/* The smallest block that is written, and the largest one that a server may want. */
#define DIFFER_BLOCK 4096
#define DIFFER_BLOCK_MOST (64 * 1024)
/* Every other block of a piece. */
#define DIFFER_RUNS_MOST (DIFFER_PIECE / DIFFER_BLOCK / 2)
/* Runs are one where what is equal between them is at most one part in so many of what
 * differs in them. */
#define DIFFER_CLOSE 32

/* Begins and ends with blocks that differ. */
struct differ_run {
  uint32_t offset, length;
  uint32_t differing;           /* bytes of blocks that differ, of LENGTH */
};

/* The runs of blocks of BLOCK bytes (a power of two) in which LENGTH bytes, at most DIFFER_PIECE, of
 * ONE and OTHER differ, in order and apart.  The last block may be short.  Returns how many. */
unsigned differ_blocks (const unsigned char *one, const unsigned char *other, uint32_t length,
                        uint32_t block, struct differ_run runs[DIFFER_RUNS_MOST]);

/* Are they all zero?  LENGTH is at most DIFFER_PIECE. */
bool differ_blocks_zero (const unsigned char *bytes, uint32_t length);

/* DIFFER_PIECE of them. */
extern const unsigned char differ_blocks_zeros[DIFFER_PIECE];

#endif
