/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How a <disk> says which disk it is, in all of libvirt's documents. */
#ifndef PULLBACK_XML_NAMES_H
#define PULLBACK_XML_NAMES_H

#include "xml-input.h"

/* The name attribute of <disk> NODE, by which no earlier sibling goes: a disk
 * name, or an absolute path of its source. */
int xml_read_disk_name (const xml_node *node, char **name, struct failure *why) WARN_UNUSED;

#endif
