/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which process a virtual machine of libvirt is. */
#ifndef PULLBACK_LIBVIRT_PROCESS_H
#define PULLBACK_LIBVIRT_PROCESS_H

#include <json-c/json.h>

#include "failure.h"

/* Where libvirt at URI writes down what it knows of the machine NAME while that runs, KIND being ".pid"
 * or ".xml"; a new string.  The latter is no interface of libvirt's. */
char *libvirt_process_file (const char *uri, const char *name, const char *kind);

/* Adds "pid" and "folder" of libvirt-greeting.h to IDENTITY, which has the rest.  URI tells
 * where libvirt keeps its files. */
int libvirt_process_identify (const char *uri, json_object *identity, struct failure *why) WARN_UNUSED;

#endif
