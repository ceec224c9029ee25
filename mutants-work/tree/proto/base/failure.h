/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An error as a value: the class a program can test, the errno, and the one
 * sentence a person reads ("what went wrong with which thing, what to do").
 *
 * Functions that can say more than an errno take a struct failure * as last
 * argument, return -errno and fill it.  Nobody below main () prints. */
#ifndef PULLBACK_FAILURE_H
#define PULLBACK_FAILURE_H

#include "cleanup.h"

/* Classes go over the control socket as "class" of an error (QMP dialect). */
#define FAILURE_CLASSES(X) \
  X (GENERIC, "GenericError") \
  X (BAD_ARGUMENT, "BadArgument") \
  X (COMMAND_NOT_FOUND, "CommandNotFound") \
  X (DOMAIN_NOT_FOUND, "DomainNotFound") \
  X (DISK_NOT_FOUND, "DiskNotFound") \
  X (CHECKPOINT_NOT_FOUND, "CheckpointNotFound") \
  X (BACKUP_NOT_FOUND, "BackupNotFound") \
  X (EXISTS, "AlreadyExists") \
  X (BUSY, "Busy") \
  X (QMP, "QemuError") \
  X (QMP_UNSUPPORTED, "QemuTooOld") \
  X (CHAIN, "ChainBroken") \
  X (STORAGE, "StorageError") \
  X (BROKEN, "BackupBroken") \
  X (TIMEOUT, "Timeout")

enum failure_class {
#define FAILURE_ENUM(name, text) FAILURE_##name,
  FAILURE_CLASSES (FAILURE_ENUM)
#undef FAILURE_ENUM
};

struct failure {
  enum failure_class class;
  int error;                    /* positive errno */
  char text[1024];              /* one sentence, no newline */
};

/* Fills WHY (which may be NULL) and returns -ERROR, so that it can be
 * returned at once.  Control characters in the text, and bytes of no whole
 * character in UTF-8 (a %.200s may cut one), become '?'.  The first failure wins:
 * a filled WHY (error != 0) is left alone. */
int failure_set (struct failure *why, enum failure_class class, int error,
                 const char *format, ...)
  __attribute__ ((format (printf, 4, 5)));

/* The name of CLASS on the wire. */
const char *failure_class_name (enum failure_class class);

/* The class called NAME; FAILURE_GENERIC if there is none. */
enum failure_class failure_class_from_name (const char *name);

#endif
