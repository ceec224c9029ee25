/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* No query tells flash memory from disks, but the name of its type does. */
#include <config.h>

#include <string.h>

#include <glib.h>

#include "json-members.h"
#include "qmp-flash.h"

#define DEVICES "/machine/peripheral/"

static const char *const kinds[] = { "flash", "m25p80", "nvram", "eeprom" };

bool
qmp_flash_is (struct qmp *qmp, const char *qdev)
{
  g_autofree char *path = qdev[0] == '/' ? g_strdup (qdev)
                          : g_strconcat (DEVICES, qdev, NULL);
  json_object *arguments = json_with ("path", path);
  CLEANUP_JSON json_object *type = NULL;
  const char *text;

  json_add_string (arguments, "property", "type");
  if (qmp_call (qmp, "qom-get", arguments, QMP_TIMEOUT_MS, &type, NULL) < 0)
    return false;
  text = json_object_is_type (type, json_type_string)
         ? json_object_get_string (type) : "";
  for (size_t i = 0; i < G_N_ELEMENTS (kinds); i++)
    if (strstr (text, kinds[i]) != NULL)
      return true;
  return false;
}
