/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the tests of this folder share. */
#ifndef PULLBACK_TEST_XML_H
#define PULLBACK_TEST_XML_H

#include "failure.h"

/* A document that must fail, and a part of the sentence. */
struct bad_document {
  const char *text, *says;
};

/* The file NAME of testdata; free it with g_free. */
char *test_document (const char *name);

/* PARSE must fail on each of BAD (up to text NULL) with its sentence. */
void test_bad_documents (const struct bad_document *bad,
                         int (*parse) (const char *text, struct failure *why));

/* Aborts with WHY if R is a failure. */
void test_good (int r, const struct failure *why);

#endif
