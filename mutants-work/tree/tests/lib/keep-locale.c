/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Preloaded into a Debian nbdkit together with the address sanitizer.  There
 * the count of glibc's locale lock goes wrong, and freelocale, which p11-kit
 * calls when a process exits, waits for it without end.  A process that
 * exits need not free a locale.
 */
#include <locale.h>

extern void freelocale (locale_t locale);

void
freelocale (locale_t locale)
{
  (void) locale;
}
