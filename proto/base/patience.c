/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <stdlib.h>

#include "patience.h"

int
patience_ms (int ms)
{
#ifdef ENABLE_STOP_AFTER
  const char *text = getenv ("PULLBACK_HURRY");
  int hurry = text == NULL ? 1 : atoi (text);

  if (hurry > 1)
    return ms > hurry ? ms / hurry : 1;
#endif
  return ms;
}
