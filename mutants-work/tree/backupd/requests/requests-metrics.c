/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <glib.h>

#include "json-members.h"
#include "metrics.h"
#include "requests.h"

int
requests_metrics (struct domain_registry *registry,
                  const struct arguments_metrics *given, json_object **result,
                  struct failure *why)
{
  g_autofree char *text = metrics_format (registry);

  *result = json_with ("text", text);
  return 0;
}
