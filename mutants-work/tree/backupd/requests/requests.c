/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The command table is made into functions here, once: what takes a struct
 * arguments_ID is called by a function that takes any, and found by the place
 * of its command. */
#include <config.h>

#include <unistd.h>

#include "domain-thread.h"
#include "json-members.h"
#include "requests.h"

/* --- the table ------------------------------------------------------ */

typedef int request_function (void *target, const void *given,
                              json_object **result, struct failure *why);

#define IF_LOCAL(...)
#define IF_REGISTRY(...) __VA_ARGS__
#define IF_QUICK(...) __VA_ARGS__
#define IF_BEGINNING(...) __VA_ARGS__
#define IF_ENDING(...) __VA_ARGS__

#define COMMAND(id, verb, kind, help) IF_##kind ( \
  static int \
  run_##id (void *target, const void *given, json_object **result, \
            struct failure *why) \
  { \
    return requests_##id (target, given, result, why); \
  })
#include "control-commands.tbl.h"

static const struct {
  request_function *function;
} requests[] = {
#define COMMAND(id, verb, kind, help) { IF_##kind (run_##id) },
#include "control-commands.tbl.h"
};

static const enum domain_doing doings[] = {
  [CONTROL_QUICK] = DOMAIN_QUICK,
  [CONTROL_BEGINNING] = DOMAIN_BEGINNING,
  [CONTROL_ENDING] = DOMAIN_ENDING
};

/* --- running -------------------------------------------------------- */

struct call {
  request_function *function;
  const struct control_arguments *arguments;
  json_object *result;
};

static int
run_in_thread (struct domain *domain, void *opaque, struct failure *why)
{
  struct call *call = opaque;

  return call->function (domain, call->arguments, &call->result, why);
}

int
requests_answer (struct domain_registry *registry,
                 const struct control_arguments *arguments,
                 json_object **result, struct failure *why)
{
  const struct control_command *command = arguments->command;
  struct call call = {
    .function = requests[command - control_commands ()].function,
    .arguments = arguments
  };
  struct domain *domain;
  int r;

  if (command->kind == CONTROL_REGISTRY)
    return call.function (registry, arguments, result, why);
  r = domain_registry_take (
    registry,
    json_get_string (arguments->json, command->arguments[0].name), &domain,
    why);
  if (r < 0)
    return r;
  r = domain_run (domain, command->verb, doings[command->kind], run_in_thread,
                  &call, why);
  domain_registry_release (registry, domain);
  if (r == 0)
    *result = call.result;
  return r;
}

/* --- of no family --------------------------------------------------- */

int
requests_version (struct domain_registry *registry,
                  const struct arguments_version *given, json_object **result,
                  struct failure *why)
{
  *result = json_with ("version", PACKAGE_VERSION);
  json_add_i64 (*result, "pid", getpid ());
  return 0;
}
