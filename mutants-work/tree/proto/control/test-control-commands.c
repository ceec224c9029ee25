/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The command table itself, and requests good and bad against it. */
#include <config.h>

#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "control-message.h"

static int
parse (const char *text, struct failure *why)
{
  struct control_arguments *arguments = NULL;
  json_object *id, *request = json_tokener_parse (text);
  int r;

  why->error = 0;
  assert (request != NULL);
  r = control_message_parse (request, &arguments, &id, why);
  assert (r == 0 || why->text[0] != '\0');
  control_arguments_free (arguments);
  json_object_put (request);
  return r;
}

static void
good (const char *text)
{
  struct failure why;

  if (parse (text, &why) < 0) {
    fprintf (stderr, "%s: %s\n", text, why.text);
    abort ();
  }
}

static void
bad (const char *text, enum failure_class class, const char *says)
{
  struct failure why;
  int r = parse (text, &why);

  if (r == 0 || why.class != class || strstr (why.text, says) == NULL) {
    fprintf (stderr, "%s: %d %s\n", text, r, r == 0 ? "passed" : why.text);
    abort ();
  }
}

static void
test_table (void)
{
  const struct control_command *c, *d;
  const struct control_argument *a;

  for (c = control_commands (); c->verb != NULL; c++) {
    bool optional_seen = false;

    assert (control_command_find (c->verb) == c && c->help[0] != '\0');
    /* Which domain's thread? */
    if (c->kind >= CONTROL_QUICK)
      assert (c->arguments[0].type == CONTROL_DOMAIN &&
              (c->arguments[0].flags & CONTROL_REQUIRED) != 0);
    for (d = control_commands (); d < c; d++)
      assert (strcmp (c->verb, d->verb) != 0);
    for (a = c->arguments; a->name != NULL; a++) {
      assert (control_argument_find (c, a->name) == a);
      assert ((a->type == CONTROL_BOOL) == (a->value == NULL));
      /* Positional ones come first, or the command line is ambiguous. */
      if ((a->flags & CONTROL_POSITIONAL) == 0)
        optional_seen = true;
      else
        assert (!optional_seen && !control_type_is_list (a->type));
    }
  }
  assert (control_command_find ("quit") == NULL);
}

static void
test_requests (void)
{
  good ("{\"execute\": \"version\"}");
  good ("{\"execute\": \"version\", \"arguments\": {}, \"id\": null}");
  good ("{\"execute\": \"domain-add\", \"arguments\": {\"name\": \"vm1\", "
        "\"qmp\": \"/run/q\", \"disks\": [\"vda=n0\", \"vdb\"]}}");
  good ("{\"execute\": \"backup-begin\", \"arguments\": {\"domain\": \"v\", "
        "\"tcp\": \"[::1]:10809\", \"ttl\": 0, \"idle-timeout\": 60, "
        "\"pace\": \"off\", \"max-rate\": 1048576}}");
  bad ("{}", FAILURE_BAD_ARGUMENT, "execute");
  bad ("{\"execute\": 7}", FAILURE_BAD_ARGUMENT, "execute");
  bad ("{\"execute\": \"quit\"}", FAILURE_COMMAND_NOT_FOUND, "quit");
  bad ("{\"execute\": \"run\", \"arguments\": {\"qmp\": \"/run/q\"}}",
       FAILURE_COMMAND_NOT_FOUND, "run");
  bad ("{\"execute\": \"version\", \"argument\": {}}", FAILURE_BAD_ARGUMENT,
       "argument");
  bad ("{\"execute\": \"version\", \"arguments\": null}",
       FAILURE_BAD_ARGUMENT, "object");
  bad ("{\"execute\": \"version\", \"arguments\": []}", FAILURE_BAD_ARGUMENT,
       "object");
  bad ("{\"execute\": \"version\", \"arguments\": {\"x\": 1}}",
       FAILURE_BAD_ARGUMENT, "\"x\"");
  bad ("{\"execute\": \"backup-info\"}", FAILURE_BAD_ARGUMENT, "domain");
}

static void
bad_begin (const char *argument, const char *says)
{
  char text[8192];

  snprintf (text, sizeof text, "{\"execute\": \"backup-begin\", "
            "\"arguments\": {\"domain\": \"vm1\", %s}}", argument);
  bad (text, FAILURE_BAD_ARGUMENT, says);
}

static void
test_values (void)
{
  char long_name[6000];

  bad_begin ("\"domain\": \"a/b\"", "a/b");
  bad_begin ("\"domain\": \"..\"", "..");
  bad_begin ("\"domain\": \"\"", "domain");
  bad_begin ("\"checkpoint\": \"a^b\"", "a^b");
  bad_begin ("\"checkpoint\": \"a b\"", "a b");
  bad_begin ("\"checkpoint\": 3", "string");
  bad_begin ("\"checkpoint\": \"a\\u0000b\"", "NUL");
  bad_begin ("\"strict\": \"yes\"", "true or false");
  bad_begin ("\"ttl\": \"60\"", "seconds");
  bad_begin ("\"ttl\": -1", "seconds");
  bad_begin ("\"ttl\": 1.5", "seconds");
  bad_begin ("\"pace\": \"slow\"", "neither guest-first nor off");
  bad_begin ("\"max-rate\": \"50M\"", "\"50M\" is no number of bytes");
  bad_begin ("\"max-rate\": 0", "0 is no number of bytes");
  bad_begin ("\"max-rate\": 9007199254740993", "is no number of bytes");
  bad_begin ("\"idle-timeout\": 315360001", "315360000");
  bad_begin ("\"disks\": \"vda\"", "list");
  bad_begin ("\"disks\": [7]", "string");
  bad_begin ("\"disks\": [\"a@b\"]", "a@b");
  bad_begin ("\"disks\": [\"vda=\"]", "vda=");
  bad_begin ("\"disks\": [\"vda\", \"vda=x\"]", "twice");
  bad_begin ("\"bases\": [\"mon\", \"mon\"]", "twice");
  bad_begin ("\"bases\": [\"a/b\"]", "a/b");
  bad_begin ("\"tcp\": \"port\"", "port");
  bad_begin ("\"tcp\": \"0\"", "PORT");
  bad_begin ("\"tcp\": \"65536\"", "PORT");
  bad_begin ("\"tcp\": \":5\"", "PORT");
  snprintf (long_name, sizeof long_name, "\"checkpoint\": \"%05000d\"", 0);
  bad_begin (long_name, "5000 bytes");
}

/* Random values for random arguments: a verdict, never a crash. */
static void
test_random (unsigned seed)
{
  static const char *const values[] = {
    "null", "true", "0", "-1", "1e99", "\"\"", "\"vm1\"", "\"/\"", "[]",
    "[[]]", "{}", "[null]", "[\"a=b=c\"]", "\"\\ud800\"", "\"%n%s\""
  };
  const struct control_command *c;
  const struct control_argument *a;
  char text[1024];
  int i;

  for (i = 0; i < 3000; i++) {
    struct failure why = { .error = 0 };
    struct control_arguments *arguments = NULL;
    size_t used = 0;
    json_object *object;

    used += (size_t) snprintf (text, sizeof text, "{\"x\": 1");
    c = &control_commands ()[rand_r (&seed) % 5];
    for (a = c->arguments; a->name != NULL; a++)
      used += (size_t) snprintf (text + used, sizeof text - used,
                                 ", \"%s\": %s", a->name,
                                 values[rand_r (&seed) % 15]);
    snprintf (text + used, sizeof text - used, "}");
    object = json_tokener_parse (text);
    assert (object != NULL);
    json_object_object_del (object, "x");
    if (control_arguments_decode (c, object, &arguments, &why) < 0)
      assert (why.class == FAILURE_BAD_ARGUMENT && why.text[0] != '\0');
    control_arguments_free (arguments);
    json_object_put (object);
  }
}

static struct control_arguments *
decode (const char *verb, const char *text)
{
  struct control_arguments *arguments;
  struct failure why = { .error = 0 };
  json_object *json = json_tokener_parse (text);

  assert (control_arguments_decode (control_command_find (verb), json,
                                    &arguments, &why) == 0);
  /* They stand by themselves. */
  json_object_put (json);
  return arguments;
}

static void
test_fields (void)
{
  struct control_arguments *given = decode (
    "backup-begin", "{\"domain\": \"vm1\", \"strict\": true, \"bases\": "
    "[\"mon\", \"tue\"], \"idle-timeout\": 60, \"quiesce\": false, "
    "\"disks\": []}");
  const struct arguments_backup_begin *begin = (const void *) given;

  assert (given->command == control_command_find ("backup-begin"));
  assert (strcmp (begin->domain, "vm1") == 0 && begin->tcp == NULL);
  assert (begin->strict && !begin->quiesce && !begin->all_bases);
  assert (begin->bases.n == 2 &&
          strcmp (control_list_at (&begin->bases, 1), "tue") == 0);
  assert (begin->disks.n == 0 && begin->disks.array != NULL);
  assert (begin->idle_timeout == 60 && begin->ttl == -1);
  control_arguments_free (given);
  given = decode ("domain-add", "{\"name\": \"a\", \"qmp\": \"/q\"}");
  assert (((const struct arguments_domain_add *) given)->disks.n == 0);
  control_arguments_free (given);
}

static void
test_result (void)
{
  struct failure why = { .class = FAILURE_BUSY, .error = EBUSY,
                         .text = "busy" };
  struct failure back = { .error = 0 };
  json_object *result, *reply = control_message_error (&why, NULL);

  assert (control_message_result (reply, &result, &back) == -EREMOTEIO);
  assert (back.class == FAILURE_BUSY && strcmp (back.text, "busy") == 0);
  json_object_put (reply);
  reply = control_message_event ("X", NULL);
  back.error = 0;
  assert (control_message_result (reply, &result, &back) == -EPROTO);
  json_object_put (reply);
  reply = control_message_return (NULL, json_object_new_int (5));
  assert (control_message_result (reply, &result, &back) == 0);
  json_object_put (result);
  json_object_put (reply);
}

int
main (void)
{
  const char *given = getenv ("SEED");
  unsigned seed = given ? (unsigned) atoi (given) : (unsigned) time (NULL);

  printf ("SEED=%u\n", seed);
  test_table ();
  test_requests ();
  test_values ();
  test_fields ();
  test_random (seed);
  test_result ();
  return 0;
}
