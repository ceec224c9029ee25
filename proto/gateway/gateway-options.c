/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Strings are argv's, which outlives all that asks for them. */
#include <config.h>

#include <errno.h>
#include <stdlib.h>

#include "gateway-options.h"

#define SEND_LIMIT_DEFAULT 120
#define SEND_LIMIT_MAX 86400

static const char help[] =
  "Usage: pullback-gateway --routes FILE [--unix PATH]...\n"
  "                        [--tcp [ADDRESS:]PORT]...\n"
  "The NBD front door of pullback: exports with dirty bitmaps, read-only unless\n"
  "the routes say otherwise.\n"
  "\n"
  "  --routes FILE           which export is which upstream export (JSON)\n"
  "  --unix PATH             listen on this unix socket; may be repeated\n"
  "  --tcp [ADDRESS:]PORT    listen on TCP, unencrypted; on loopback unless\n"
  "                          ADDRESS is given; may be repeated\n"
  "  --activity FILE         touch this file while clients are active\n"
  "  --served FOLDER         note in the maps there what clients have been sent\n"
  "  --maps FOLDER           answer from the maps there what has changed\n"
  "  --written FOLDER        note in the maps there what writable exports are\n"
  "                          written, before they are\n"
  "  --consume               let clients trim what they need no more\n"
  "  --memory PATH           at this socket the upstream server gives memory, by\n"
  "                          which it hands payload over\n"
  "  --backup TAG            marks the process as one of that backup\n"
  "  --send-limit SECONDS    cut a client off that takes nothing of a reply for\n"
  "                          so long (120)\n"
  "  --user NAME             become this user when all is open (root only)\n"
  "  --verbose               tell of every connection\n"
  "  --help                  show this text and exit\n"
  "  --version               show the version and exit\n"
  "\n"
  "With LISTEN_FDS and LISTEN_PID set, listening sockets come from there.\n"
  "See pullback-gateway(1).\n";

int
gateway_options_parse (int argc, char **argv, struct gateway_options *options,
                       struct failure *why)
{
  struct gateway_options *o = options;
  const struct command_line_option table[] = {
    { .name = "routes", .text = &o->routes, .needed = "FILE" },
    { .name = "unix", .texts = &o->unix_paths },
    { .name = "tcp", .texts = &o->tcp_addresses },
    { .name = "activity", .text = &o->activity },
    { .name = "served", .text = &o->served },
    { .name = "maps", .text = &o->maps },
    { .name = "written", .text = &o->written },
    { .name = "memory", .text = &o->memory },
    { .name = "backup", .text = &o->backup },
    { .name = "send-limit", .number = &o->send_limit, .least = 1,
      .most = SEND_LIMIT_MAX, .unit = "seconds" },
    { .name = "user", .text = &o->user },
    { .name = "consume", .flag = &o->consume },
    { .name = "verbose", .flag = &o->verbose },
    { .name = NULL }
  };

  *o = (struct gateway_options) { .send_limit = SEND_LIMIT_DEFAULT };
  o->unix_paths.items = calloc ((size_t) argc, sizeof (char *));
  o->tcp_addresses.items = calloc ((size_t) argc, sizeof (char *));
  if (o->unix_paths.items == NULL || o->tcp_addresses.items == NULL)
    return failure_set (why, FAILURE_GENERIC, ENOMEM, "out of memory");
  return command_line_parse (argc, argv, "pullback-gateway", help, table, why);
}

void
gateway_options_free (struct gateway_options *options)
{
  free (options->unix_paths.items);
  free (options->tcp_addresses.items);
}
