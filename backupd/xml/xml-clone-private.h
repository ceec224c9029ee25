/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The devices, for xml-clone.c. */
#ifndef PULLBACK_XML_CLONE_PRIVATE_H
#define PULLBACK_XML_CLONE_PRIVATE_H

#include "xml-clone.h"
#include "xml-edit.h"

/* Of DEVICES, all but the disks; DEVICES may be NULL. */
void xml_clone_devices (xml_node *devices, const struct xml_clone *wanted, GPtrArray *notes);

#endif
