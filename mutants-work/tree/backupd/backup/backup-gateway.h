/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef PULLBACK_BACKUP_GATEWAY_H
#define PULLBACK_BACKUP_GATEWAY_H

#include "backup-model.h"

/* The NBD URI of EXPORT; NULL before the gateway is there.  Free with g_free. */
char *backup_gateway_uri (const struct backup *backup, const char *export_name);

#endif
