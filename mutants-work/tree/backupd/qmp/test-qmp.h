/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the tests of this folder share. */
#ifndef PULLBACK_TEST_QMP_H
#define PULLBACK_TEST_QMP_H

#include <stdio.h>
#include <stdlib.h>

/* Unlike assert (3) never compiled out. */
#define CHECK(condition) \
  do { \
    if (!(condition)) { \
      fprintf (stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #condition); \
      exit (1); \
    } \
  } while (0)

/* CALL returns 0; WHY says why not. */
#define CHECK_OK(call, why) \
  do { \
    int r_ = (call); \
    if (r_ != 0) { \
      fprintf (stderr, "%s:%d: %s: %d: %s\n", __FILE__, __LINE__, #call, r_, (why)->text); \
      exit (1); \
    } \
  } while (0)

/* CALL returns -ERROR, with a sentence that contains WORDS. */
#define CHECK_FAILS(call, want, why, words) \
  do { \
    (why)->error = 0; \
    (why)->text[0] = '\0'; \
    int r_ = (call); \
    if (r_ != -(want) || strstr ((why)->text, words) == NULL) { \
      fprintf (stderr, "%s:%d: %s: %d: %s\n", __FILE__, __LINE__, #call, r_, (why)->text); \
      exit (1); \
    } \
    (why)->error = 0; \
  } while (0)

#endif
