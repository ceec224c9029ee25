/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* getopt_long does the words; which options there are, it is told by the
 * tables.  The options of pullback itself stand before or after the command, so
 * that the command's are added when it is met. */
#include <config.h>

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include <glib.h>

#include "cli-command.h"
#include "json-members.h"
#include "size.h"

/* Codes of options, counted from here. */
#define CODE_GLOBAL 0x100
#define CODE_OWN 0x200          /* of the command */

#define COMPLETE "complete"

enum {
  GLOBAL_SOCKET,
  GLOBAL_JSON,
  GLOBAL_ACTION                 /* the first of enum cli_action: CLI_HELP */
};

static const struct control_argument globals[] = {
  { "socket", "socket", CONTROL_PATH, 0, "PATH",
    "control socket of the daemon (default $PULLBACK_SOCKET, else "
    PULLBACK_RUNTIMEDIR "/control.sock)" },
  { "json", "json", CONTROL_BOOL, 0, NULL,
    "print the daemon's reply as it is" },
  { "help", "help", CONTROL_BOOL, 0, NULL,
    "this text, or after a command its own" },
  { "version", "version", CONTROL_BOOL, 0, NULL, "show the version" },
  { COMPLETE, COMPLETE, CONTROL_BOOL, 0, "WORD...",
    "what the last word can become, for the shell" },
  { .name = NULL }
};

struct parser {
  struct cli_command *parsed;
  json_object *json;            /* what the command is given */
  GArray *options;              /* struct option */
  const char *word;             /* the one in hand */
};

const struct control_argument *
cli_global_options (void)
{
  return globals;
}

static void
add_options (struct parser *parser, const struct control_argument *a, int code)
{
  for (; a->name != NULL; a++) {
    struct option option = { a->option, a->type == CONTROL_BOOL
                             ? no_argument : required_argument, NULL, code++ };

    g_array_append_val (parser->options, option);
  }
}

/* --- values --------------------------------------------------------- */

/* VALUE as it goes over the wire.  What is no number stays a string, which the
 * check of all arguments refuses with a sentence. */
static json_object *
wire_value (const struct control_argument *argument, const char *value)
{
  guint64 number;
  uint64_t size;

  if (argument->type == CONTROL_SECONDS &&
      g_ascii_string_to_unsigned (value, 10, 0, CONTROL_SECONDS_MAX, &number,
                                  NULL))
    return json_object_new_int64 ((int64_t) number);
  if (argument->type == CONTROL_BYTES && size_parse (value, &size) == 0)
    return json_object_new_int64 ((int64_t) size);
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

/* VALUE with its path made absolute; g_free. */
static char *
absolute (const struct control_argument *argument, const char *value)
{
  g_autofree char *folder = g_get_current_dir ();
  g_autofree char *path = NULL;
  const char *given = value;

  if (argument->type != CONTROL_PATH)
    (void) control_image_split (value, &given);
  if (argument->type == CONTROL_SOURCES && control_source_is_uri (given))
    return g_strdup (value);
  if (given[0] == '/' || given[0] == '\0')
    return g_strdup (value);
  path = g_build_filename (folder, given, NULL);
  return g_strdup_printf ("%.*s%s", (int) (given - value), value, path);
}

static int
add_value (const struct control_argument *argument, const char *value,
           json_object *arguments, struct failure *why)
{
  g_autofree char *path = NULL, *document = NULL;
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
  if (argument->type == CONTROL_PATH || argument->type == CONTROL_IMAGES ||
      argument->type == CONTROL_SOURCES)
    value = path = absolute (argument, value);
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

/* --- words ---------------------------------------------------------- */

const struct control_argument *
cli_next_positional (const struct control_command *command,
                     json_object *arguments)
{
  const struct control_argument *a;

  for (a = command->arguments; a->name != NULL; a++)
    if ((a->flags & CONTROL_POSITIONAL) != 0 &&
        !json_object_object_get_ex (arguments, a->name, NULL))
      return a;
  return NULL;
}

static int
take_verb (struct parser *parser, const char *verb, struct failure *why)
{
  const struct control_command *command = control_command_find (verb);
  char quoted[CONTROL_QUOTE_MAX];

  if (command == NULL)
    return failure_set (why, FAILURE_COMMAND_NOT_FOUND, EINVAL,
                        "there is no command \"%s\"; see pullback --help",
                        control_quote (verb, quoted));
  parser->parsed->command = command;
  add_options (parser, command->arguments, CODE_OWN);
  return 0;
}

/* WORD, which is no option. */
static int
take_word (struct parser *parser, const char *word, struct failure *why)
{
  const struct control_command *command = parser->parsed->command;
  const struct control_argument *a;
  char quoted[CONTROL_QUOTE_MAX];

  if (command == NULL)
    return take_verb (parser, word, why);
  a = cli_next_positional (command, parser->json);
  if (a == NULL)
    return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL,
                        "%s takes no argument \"%s\"; see pullback %s --help",
                        command->verb, control_quote (word, quoted),
                        command->verb);
  return add_value (a, word, parser->json, why);
}

static int
take_global (struct parser *parser, int option, struct failure *why)
{
  struct cli_command *parsed = parser->parsed;

  if (option == GLOBAL_SOCKET)
    parsed->socket = optarg;
  else if (option == GLOBAL_JSON)
    parsed->json = true;
  else {
    parsed->action = CLI_HELP + (unsigned) (option - GLOBAL_ACTION);
    if (parsed->action == CLI_COMPLETE)
      return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL,
                          "--" COMPLETE " must be the first word");
  }
  return 0;
}

static int
refuse_option (const struct parser *parser, struct failure *why)
{
  const struct control_command *command = parser->parsed->command;
  char quoted[CONTROL_QUOTE_MAX];

  if (command == NULL)
    return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL,
                        "there is no option %s; see pullback --help",
                        control_quote (parser->word, quoted));
  return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL,
                      "%s has no option %s; see pullback %s --help",
                      command->verb, control_quote (parser->word, quoted),
                      command->verb);
}

static const struct control_argument *
option_of (const struct parser *parser, int code)
{
  return code < CODE_OWN
         ? &globals[code - CODE_GLOBAL]
         : &parser->parsed->command->arguments[code - CODE_OWN];
}

/* An abbreviation would mean something else when there is another option. */
static bool
is_abbreviated (const struct parser *parser, int code)
{
  return !g_str_has_prefix (parser->word + strlen ("--"),
                            option_of (parser, code)->option);
}

static int
take_option (struct parser *parser, int code, struct failure *why)
{
  const struct control_argument *a = option_of (parser, code);

  if (code < CODE_OWN)
    return take_global (parser, code - CODE_GLOBAL, why);
  if (a->type != CONTROL_BOOL)
    return add_value (a, optarg, parser->json, why);
  json_add_bool (parser->json, a->name, true);
  return 0;
}

/* What getopt_long found. */
static int
take (struct parser *parser, int code, struct failure *why)
{
  const int option = code == ':' || code == '?' ? optopt : code;
  char quoted[CONTROL_QUOTE_MAX];

  if (option >= CODE_GLOBAL && is_abbreviated (parser, option))
    return refuse_option (parser, why);
  switch (code) {
  case 1:
    return take_word (parser, optarg, why);
  case 'h':
    parser->parsed->action = CLI_HELP;
    return 0;
  case 'V':
    parser->parsed->action = CLI_VERSION;
    return 0;
  case ':':
    return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL,
                        "option %s needs a value",
                        control_quote (parser->word, quoted));
  case '?':
    if (optopt < CODE_GLOBAL)
      return refuse_option (parser, why);
    return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL,
                        "option %.*s takes no value",
                        (int) strcspn (parser->word, "="), parser->word);
  default:
    return take_option (parser, code, why);
  }
}

static int
parse_words (struct parser *parser, int argc, char **argv,
             struct failure *why)
{
  int code, r = 0;

  do {
    parser->word = argv[optind];
    code = getopt_long (argc, argv, "-:hV",
                        (const struct option *) parser->options->data, NULL);
    if (code != -1)
      r = take (parser, code, why);
  } while (r == 0 && code != -1);
  /* After "--". */
  for (; r == 0 && optind < argc; optind++)
    r = take_word (parser, argv[optind], why);
  return r;
}

int
cli_parse (int argc, char *argv[], struct cli_command *parsed,
           struct failure *why)
{
  struct parser parser = { .parsed = parsed };
  int r;

  *parsed = (struct cli_command) { .action = CLI_CALL };
  if (argc > 1 && strcmp (argv[1], "--" COMPLETE) == 0) {
    parsed->action = CLI_COMPLETE;
    parsed->words = argv + 2;
    return 0;
  }
  parser.json = json_object_new_object ();
  parser.options = g_array_new (TRUE, FALSE, sizeof (struct option));
  add_options (&parser, globals, CODE_GLOBAL);
  r = parse_words (&parser, argc, argv, why);
  if (r == 0 && parsed->action == CLI_CALL)
    r = parsed->command == NULL
        ? failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL,
                       "what to do?  See pullback --help")
        : control_arguments_decode (parsed->command, parser.json,
                                    &parsed->arguments, why);
  json_object_put (parser.json);
  g_array_free (parser.options, TRUE);
  return r;
}
