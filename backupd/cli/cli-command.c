/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <glib.h>

#include "cli-command.h"

static const struct control_argument run_arguments[] = {
  { "qmp", "qmp", CONTROL_PATH, CONTROL_REQUIRED, "PATH",
    "QMP socket of QEMU or of qemu-storage-daemon" },
  { "disks", "disk", CONTROL_DISKS, 0, "NAME[=NODE]",
    "only this disk; may repeat (default: all writable disks)" },
  { "checkpoint", "checkpoint", CONTROL_CHECKPOINT, 0, "NAME",
    "create this checkpoint, for a later incremental" },
  { "incremental", "incremental", CONTROL_CHECKPOINT, 0, "NAME",
    "also export what changed since this checkpoint" },
  { "bases", "base", CONTROL_CHECKPOINTS, 0, "NAME",
    "also show what changed since this one; may repeat" },
  { "all-bases", "all-bases", CONTROL_BOOL, 0, NULL,
    "also show what changed since every checkpoint" },
  { "strict", "strict", CONTROL_BOOL, 0, NULL,
    "fail rather than fall back to a full backup" },
  { "tcp", "tcp", CONTROL_TCP, 0, "[ADDRESS:]PORT",
    "serve TCP, not a unix socket (not encrypted; default loopback)" },
  { "consumer", "consumer", CONTROL_CHECKPOINT, 0, "NAME",
    "who the checkpoint belongs to (default: default)" },
  { "agent", "agent", CONTROL_PATH, 0, "PATH",
    "socket of the QEMU guest agent, for --quiesce" },
  { "quiesce", "quiesce", CONTROL_BOOL, 0, NULL,
    "freeze the guest's file systems while the point in time is made" },
  { "state-dir", "state-dir", CONTROL_PATH, 0, "DIR",
    "keep checkpoints here (one folder per virtual machine)" },
  { "scratch-dir", "scratch-dir", CONTROL_PATH, 0, "DIR",
    "old data of the running backup goes here" },
  { "run", "run", CONTROL_TEXT, 0, "CMD",
    "shell command to run, then commit (abort if it fails)" },
  { NULL, NULL, CONTROL_BOOL, 0, NULL, NULL }
};

static const struct control_command run_command = {
  "run", "", "Back up one virtual machine without a daemon to set up",
  run_arguments
};

const struct control_command *
cli_run_command (void)
{
  return &run_command;
}

/* Where the parser is. */
struct cursor {
  int argc, at;
  char **argv;
};

/* Is WORD the option --NAME or --NAME=...? */
static bool
is_option (const char *word, const char *name)
{
  size_t length = strlen (name);

  return strncmp (word, "--", 2) == 0 &&
         strncmp (word + 2, name, length) == 0 &&
         (word[2 + length] == '\0' || word[2 + length] == '=');
}

/* The value of the option at the cursor, which moves past it. */
static int
take_value (struct cursor *cursor, const char **value, struct failure *why)
{
  char quoted[CONTROL_QUOTE_MAX];
  const char *word = cursor->argv[cursor->at];
  const char *equals = strchr (word, '=');

  if (equals != NULL)
    *value = equals + 1;
  else if (cursor->at + 1 < cursor->argc)
    *value = cursor->argv[++cursor->at];
  else
    return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL,
                        "option %s needs a value",
                        control_quote (word, quoted));
  cursor->at++;
  return 0;
}

/* VALUE as it goes over the wire.  What is no number stays a string, which the
 * check of all arguments refuses with a sentence. */
static json_object *
wire_value (const struct control_argument *argument, const char *value)
{
  guint64 number;

  if (argument->type == CONTROL_SECONDS &&
      g_ascii_string_to_unsigned (value, 10, 0, CONTROL_SECONDS_MAX, &number,
                                  NULL))
    return json_object_new_int64 ((int64_t) number);
  return json_object_new_string (value);
}

/* The document in file VALUE; "-" is standard input. */
static int
read_document (const struct control_argument *argument, const char *value,
               char **text, struct failure *why)
{
  FILE *file = strcmp (value, "-") == 0 ? stdin : fopen (value, "re");
  char *buffer = g_malloc (CONTROL_XML_MAX + 2);
  char quoted[CONTROL_QUOTE_MAX];
  size_t length = 0;
  int error = file == NULL ? errno : 0;

  if (file != NULL) {
    /* One byte more tells what is too long. */
    length = fread (buffer, 1, CONTROL_XML_MAX + 1, file);
    error = ferror (file) ? errno : 0;
  }
  if (file != NULL && file != stdin)
    fclose (file);
  buffer[length] = '\0';
  *text = buffer;
  if (error != 0)
    return failure_set (why, FAILURE_BAD_ARGUMENT, error,
                        "%s: cannot read %s: %s", argument->option,
                        control_quote (value, quoted), g_strerror (error));
  if (strlen (buffer) != length)
    return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL,
                        "%s: %s contains a NUL character", argument->option,
                        control_quote (value, quoted));
  return 0;
}

static int
add_value (const struct control_argument *argument, const char *value,
           json_object *arguments, struct failure *why)
{
  g_autofree char *folder = NULL, *path = NULL, *document = NULL;
  json_object *list = NULL, *text;

  if (argument->type == CONTROL_XML) {
    int r = read_document (argument, value, &document, why);

    if (r < 0)
      return r;
    value = document;
  }
  if (!g_utf8_validate (value, -1, NULL))
    return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL,
                        "%s: the value is not UTF-8", argument->option);
  if (argument->type == CONTROL_PATH && value[0] != '/' && value[0] != '\0') {
    folder = g_get_current_dir ();
    value = path = g_build_filename (folder, value, NULL);
  }
  text = wire_value (argument, value);
  json_object_object_get_ex (arguments, argument->name, &list);
  if (!control_type_is_list (argument->type)) {
    if (list != NULL) {
      json_object_put (text);
      return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL,
                          "%s is given twice", argument->option);
    }
    json_object_object_add (arguments, argument->name, text);
    return 0;
  }
  if (list == NULL) {
    list = json_object_new_array ();
    json_object_object_add (arguments, argument->name, list);
  }
  json_object_array_add (list, text);
  return 0;
}

static const struct control_argument *
find_option (const struct control_command *command, const char *word)
{
  const struct control_argument *a;

  for (a = command->arguments; a->name != NULL; a++)
    if (is_option (word, a->option))
      return a;
  return NULL;
}

/* The next positional argument without a value. */
static const struct control_argument *
next_positional (const struct control_command *command,
                 json_object *arguments)
{
  const struct control_argument *a;

  for (a = command->arguments; a->name != NULL; a++)
    if ((a->flags & CONTROL_POSITIONAL) != 0 &&
        !json_object_object_get_ex (arguments, a->name, NULL))
      return a;
  return NULL;
}

/* One option of the verb at the cursor. */
static int
parse_option (struct cursor *cursor, struct cli_command *parsed,
              struct failure *why)
{
  const char *word = cursor->argv[cursor->at], *value;
  const struct control_argument *a = find_option (parsed->command, word);
  char quoted[CONTROL_QUOTE_MAX];
  int r;

  if (a == NULL)
    return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL,
                        "%s has no option %s; see pullback %s --help",
                        parsed->command->verb, control_quote (word, quoted),
                        parsed->command->verb);
  if (a->type == CONTROL_BOOL) {
    if (strchr (word, '=') != NULL)
      return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL,
                          "option --%s takes no value", a->option);
    json_object_object_add (parsed->arguments, a->name,
                            json_object_new_boolean (true));
    cursor->at++;
    return 0;
  }
  r = take_value (cursor, &value, why);
  return r < 0 ? r : add_value (a, value, parsed->arguments, why);
}

static int
parse_positional (struct cursor *cursor, struct cli_command *parsed,
                  struct failure *why)
{
  const char *word = cursor->argv[cursor->at++];
  const struct control_argument *a =
    next_positional (parsed->command, parsed->arguments);
  char quoted[CONTROL_QUOTE_MAX];

  if (a == NULL)
    return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL,
                        "%s takes no argument \"%s\"; see pullback %s --help",
                        parsed->command->verb, control_quote (word, quoted),
                        parsed->command->verb);
  return add_value (a, word, parsed->arguments, why);
}

/* An option of pullback itself: 1.  Something else: 0. */
static int
parse_global (struct cursor *cursor, struct cli_command *parsed,
              struct failure *why)
{
  const char *word = cursor->argv[cursor->at];
  int r;

  if (is_option (word, "socket")) {
    r = take_value (cursor, &parsed->socket, why);
    return r < 0 ? r : 1;
  }
  if (strcmp (word, "--json") == 0)
    parsed->json = true;
  else if (strcmp (word, "--help") == 0 || strcmp (word, "-h") == 0)
    parsed->action = CLI_HELP;
  else
    return 0;
  cursor->at++;
  return 1;
}

static int
find_verb (const char *verb, struct cli_command *parsed, struct failure *why)
{
  char quoted[CONTROL_QUOTE_MAX];

  if (strcmp (verb, "run") == 0) {
    parsed->action = CLI_RUN;
    parsed->command = &run_command;
    return 0;
  }
  parsed->command = control_command_find (verb);
  if (parsed->command == NULL)
    return failure_set (why, FAILURE_COMMAND_NOT_FOUND, EINVAL,
                        "there is no command \"%s\"; see pullback --help",
                        control_quote (verb, quoted));
  return 0;
}

static int
parse_verb_line (struct cursor *cursor, struct cli_command *parsed,
                 struct failure *why)
{
  bool options = true;
  int r = 0;

  while (r >= 0 && cursor->at < cursor->argc) {
    const char *word = cursor->argv[cursor->at];

    if (options && strcmp (word, "--") == 0) {
      options = false;
      cursor->at++;
      continue;
    }
    if (!options || word[0] != '-' || word[1] == '\0') {
      r = parse_positional (cursor, parsed, why);
      continue;
    }
    r = parse_global (cursor, parsed, why);
    if (r == 0)
      r = parse_option (cursor, parsed, why);
  }
  if (r < 0 || parsed->action == CLI_HELP)
    return r < 0 ? r : 0;
  return control_check_arguments (parsed->command, parsed->arguments, why);
}

/* Options before the verb; 0 with the cursor at the verb or the end. */
static int
parse_head (struct cursor *cursor, struct cli_command *parsed,
            struct failure *why)
{
  char quoted[CONTROL_QUOTE_MAX];
  int r = 1;

  while (r > 0 && cursor->at < cursor->argc &&
         cursor->argv[cursor->at][0] == '-') {
    const char *word = cursor->argv[cursor->at];

    r = parse_global (cursor, parsed, why);
    if (r != 0)
      continue;
    r = 1;
    cursor->at++;
    if (strcmp (word, "--version") == 0 || strcmp (word, "-V") == 0)
      parsed->action = CLI_VERSION;
    else if (strcmp (word, "--list-verbs") == 0)
      parsed->action = CLI_LIST_VERBS;
    else if (strcmp (word, "--list-options") == 0)
      parsed->action = CLI_LIST_OPTIONS;
    else
      return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL,
                          "there is no option %s; see pullback --help",
                          control_quote (word, quoted));
  }
  return r < 0 ? r : 0;
}

int
cli_parse (int argc, char *argv[], struct cli_command *parsed,
           struct failure *why)
{
  struct cursor cursor = { .argc = argc, .at = 1, .argv = argv };
  enum cli_action action;
  int r;

  *parsed = (struct cli_command) { .action = CLI_CALL };
  parsed->arguments = json_object_new_object ();
  r = parse_head (&cursor, parsed, why);
  action = parsed->action;
  if (r < 0 || action == CLI_VERSION || action == CLI_LIST_VERBS ||
      (action == CLI_HELP && cursor.at == argc))
    return r;
  if (cursor.at == argc)
    return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL,
                        "what to do?  See pullback --help");
  r = find_verb (argv[cursor.at++], parsed, why);
  if (r < 0)
    return r;
  if (action != CLI_CALL) {
    parsed->action = action;
    return 0;
  }
  return parse_verb_line (&cursor, parsed, why);
}

void
cli_command_clear (struct cli_command *parsed)
{
  json_object_put (parsed->arguments);
  parsed->arguments = NULL;
}
