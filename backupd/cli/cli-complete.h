/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a shell asks when somebody presses the tabulator. */
#ifndef PULLBACK_CLI_COMPLETE_H
#define PULLBACK_CLI_COMPLETE_H

/* What a file's name can be is left to the shell. */
#define CLI_COMPLETE_FILES ":files"

/* WORDS: those after "pullback" up to the one in hand, which may be half of one, then
 * NULL; an option and its value may be in one word, or in three as bash splits them.
 * Prints what the last can become, a line each, or CLI_COMPLETE_FILES.  Says nothing
 * where the others make no sense.  Asks the daemon for names; where it is silent, the
 * process ends by SIGALRM, within seconds. */
void cli_complete (char *const *words);

#endif
