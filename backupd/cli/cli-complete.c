/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The shells know nothing of pullback: which words there are is in the table of
 * commands, and names of domains, checkpoints and disks are the daemon's.  The words are
 * read more loosely than cli-command.c does it, as a line in the making is mostly
 * wrong. */
#include <config.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <glib.h>

#include "cli-client.h"
#include "cli-command.h"
#include "cli-complete.h"
#include "json-members.h"

/* A shell is stopped until it has its answer. */
#define PATIENCE_SECONDS 3

struct completion {
  const char *socket;
  const struct control_command *command;        /* NULL: not said yet */
  const struct control_argument *awaited;       /* its option was the last word */
  json_object *given;           /* values by the arguments' names */
  const char *word;             /* to be completed */
  int prefix_length;            /* of what stands before it in its shell word ... */
  const char *prefix;           /* ... "--option=" */
};

/* --- the words before ------------------------------------------------------ */

/* What OPTION, "--name" or "--name=...", is of. */
static const struct control_argument *
find_option (const struct completion *completion, const char *option)
{
  const struct control_argument *lists[] = {
    cli_global_options (),
    completion->command == NULL ? NULL : completion->command->arguments
  };
  const char *name = option + strlen ("--");
  size_t length = strcspn (name, "="), i;

  for (i = 0; i < G_N_ELEMENTS (lists); i++)
    for (const struct control_argument *a = lists[i];
         a != NULL && a->name != NULL; a++)
      if (strlen (a->option) == length &&
          strncmp (a->option, name, length) == 0)
        return a;
  return NULL;
}

static void
take_value (struct completion *completion, const struct control_argument *a,
            const char *value)
{
  if (strcmp (a->name, "socket") == 0)
    completion->socket = value;
  else
    json_object_object_add (completion->given, a->name,
                            json_object_new_string (value));
  completion->awaited = NULL;
}

static void
take_option (struct completion *completion, const char *word)
{
  const struct control_argument *a = find_option (completion, word);
  const char *value = strchr (word, '=');

  if (a == NULL || a->type == CONTROL_BOOL)
    return;
  if (value != NULL)
    take_value (completion, a, value + 1);
  else
    completion->awaited = a;
}

/* Returns whether it makes sense. */
static bool
take_word (struct completion *completion, const char *word)
{
  const struct control_argument *a;

  if (completion->awaited != NULL) {
    if (strcmp (word, "=") != 0)
      take_value (completion, completion->awaited, word);
    return true;
  }
  if (word[0] == '-') {
    if (g_str_has_prefix (word, "--"))
      take_option (completion, word);
    return true;
  }
  if (completion->command == NULL)
    return (completion->command = control_command_find (word)) != NULL;
  a = cli_next_positional (completion->command, completion->given);
  if (a != NULL)
    take_value (completion, a, word);
  return a != NULL;
}

/* --- what it can become ---------------------------------------------------- */

static void
offer (const struct completion *completion, const char *start,
       const char *rest)
{
  g_autofree char *candidate = g_strconcat (start, rest, NULL);

  if (g_str_has_prefix (candidate, completion->word))
    printf ("%.*s%s\n", completion->prefix_length, completion->prefix,
            candidate);
}

static void
offer_verbs (const struct completion *completion)
{
  const struct control_command *c;

  for (c = control_commands (); c->verb != NULL; c++)
    offer (completion, c->verb, "");
}

static void
offer_options (const struct completion *completion)
{
  const struct control_argument *a = completion->command == NULL
                                     ? cli_global_options ()
                                     : completion->command->arguments;

  for (; a->name != NULL; a++)
    offer (completion, "--", a->option);
}

/* Names in LIST of the reply to VERB, whose argument KEY is DOMAIN. */
static void
offer_names (const struct completion *completion, const char *verb,
             const char *key, const char *domain, const char *list)
{
  struct cli_client *client = NULL;
  CLEANUP_JSON json_object *arguments = json_object_new_object ();
  CLEANUP_JSON json_object *result = NULL;
  struct failure why;
  size_t i;

  if (key != NULL)
    json_object_object_add (arguments, key, json_object_new_string (domain));
  if (cli_client_open (completion->socket, &client, &why) < 0)
    return;
  if (cli_client_call (client, verb, arguments, NULL, &result, &why) == 0) {
    json_object *names = json_get_array (result, list);

    for (i = 0; i < json_length (names); i++) {
      const char *name = json_get_string (json_object_array_get_idx (names, i),
                                          "name");

      if (name != NULL)
        offer (completion, name, "");
    }
  }
  cli_client_close (client);
}

/* Of the domain that the words before name, if it is there. */
static void
offer_of_domain (const struct completion *completion, const char *verb,
                 const char *key, const char *list)
{
  const struct control_argument *a;

  for (a = completion->command->arguments; a->name != NULL; a++) {
    const char *domain = json_get_string (completion->given, a->name);

    if (a->type == CONTROL_DOMAIN && (a->flags & CONTROL_NEW) == 0 &&
        domain != NULL)
      offer_names (completion, verb, key, domain, list);
  }
}

static void
offer_words (const struct completion *completion, const char *alternatives)
{
  g_auto (GStrv) words = g_strsplit (alternatives, "|", -1);

  if (g_strv_length (words) < 2)
    return;
  for (char **word = words; *word != NULL; word++)
    offer (completion, *word, "");
}

static void
offer_values (const struct completion *completion,
              const struct control_argument *a)
{
  if ((a->flags & CONTROL_NEW) != 0)
    return;
  switch (a->type) {
  case CONTROL_DOMAIN:
    offer_names (completion, "domain-list", NULL, NULL, "domains");
    break;
  case CONTROL_RESTORE:
    offer_names (completion, "restore-list", NULL, NULL, "restores");
    break;
  case CONTROL_CHECKPOINT:
  case CONTROL_CHECKPOINTS:
    offer_of_domain (completion, "checkpoint-list", "domain", "checkpoints");
    break;
  case CONTROL_DISKS:
    offer_of_domain (completion, "domain-info", "name", "disks");
    break;
  case CONTROL_PATH:
  case CONTROL_IMAGES:
  case CONTROL_SOURCES:
  case CONTROL_XML:
    printf ("%s\n", CLI_COMPLETE_FILES);
    break;
  default:
    offer_words (completion, a->value);
  }
}

/* The last word is "--option=VALUE": VALUE is to be completed. */
static bool
split_option (struct completion *completion)
{
  const char *value = strchr (completion->word, '=');

  if (!g_str_has_prefix (completion->word, "--") || value == NULL)
    return false;
  completion->awaited = find_option (completion, completion->word);
  completion->prefix = completion->word;
  completion->prefix_length = (int) (value + 1 - completion->word);
  completion->word = value + 1;
  return true;
}

static void
offer_last (struct completion *completion, const char *word)
{
  const struct control_argument *a = completion->awaited;

  completion->word = a != NULL && strcmp (word, "=") == 0 ? "" : word;
  if (a == NULL && split_option (completion)) {
    a = completion->awaited;
    if (a == NULL || a->type == CONTROL_BOOL)
      return;
  }
  if (a == NULL && word[0] == '-')
    offer_options (completion);
  else if (a == NULL && completion->command == NULL)
    offer_verbs (completion);
  else {
    if (a == NULL)
      a = cli_next_positional (completion->command, completion->given);
    if (a != NULL)
      offer_values (completion, a);
  }
}

void
cli_complete (char *const *words)
{
  CLEANUP_JSON json_object *given = json_object_new_object ();
  struct completion completion = { .given = given, .prefix = "" };

  if (words[0] == NULL)
    return;
  alarm (PATIENCE_SECONDS);
  for (; words[1] != NULL; words++)
    if (!take_word (&completion, words[0]))
      return;
  offer_last (&completion, words[0]);
}
