/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* getopt_long is told to be silent, as main says one sentence.  Strings are
 * argv's, which outlives all that asks for them. */
#include <config.h>

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>

#include "gateway-options.h"

#define SEND_LIMIT_DEFAULT 120
#define SEND_LIMIT_MAX 86400

const char gateway_help[] =
  "Usage: pullback-gateway --routes FILE [--unix PATH]...\n"
  "                        [--tcp [ADDRESS:]PORT]...\n"
  "The NBD front door of pullback: read-only exports with dirty bitmaps.\n"
  "\n"
  "  --routes FILE           which export is which upstream export (JSON)\n"
  "  --unix PATH             listen on this unix socket; may be repeated\n"
  "  --tcp [ADDRESS:]PORT    listen on TCP, unencrypted; on loopback unless\n"
  "                          ADDRESS is given; may be repeated\n"
  "  --activity FILE         touch this file while clients are active\n"
  "  --send-limit SECONDS    cut a client off that takes nothing of a reply for\n"
  "                          so long (120)\n"
  "  --verbose               tell of every connection\n"
  "  --help                  show this text and exit\n"
  "  --version               show the version and exit\n"
  "\n"
  "With LISTEN_FDS and LISTEN_PID set, listening sockets come from there.\n"
  "See pullback-gateway(1).\n";

static const struct option long_options[] = {
  { "routes", required_argument, NULL, 'r' },
  { "unix", required_argument, NULL, 'u' },
  { "tcp", required_argument, NULL, 't' },
  { "activity", required_argument, NULL, 'a' },
  { "send-limit", required_argument, NULL, 's' },
  { "verbose", no_argument, NULL, 'v' },
  { "help", no_argument, NULL, 'h' },
  { "version", no_argument, NULL, 'V' },
  { NULL, 0, NULL, 0 }
};

static int
take_send_limit (unsigned *limit, struct failure *why)
{
  char *end;
  unsigned long seconds = strtoul (optarg, &end, 10);

  if (optarg[0] < '0' || optarg[0] > '9' || *end != '\0' || seconds < 1 ||
      seconds > SEND_LIMIT_MAX)
    return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL, "--send-limit needs "
                        "1 to %d seconds, not %.200s", SEND_LIMIT_MAX, optarg);
  *limit = (unsigned) seconds;
  return 0;
}

static int
take_option (int argc, char **argv, int option, struct gateway_options *out,
             struct failure *why)
{
  switch (option) {
  case 'r':
    out->routes = optarg;
    return 0;
  case 'u':
    out->unix_paths[out->n_unix++] = optarg;
    return 0;
  case 't':
    out->tcp_addresses[out->n_tcp++] = optarg;
    return 0;
  case 'a':
    out->activity = optarg;
    return 0;
  case 's':
    return take_send_limit (&out->send_limit, why);
  case 'v':
    out->verbose = true;
    return 0;
  case 'h':
    out->help = true;
    return 0;
  case 'V':
    out->version = true;
    return 0;
  case ':':
    return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL,
                        "the option %.200s needs a value; see --help",
                        argv[optind - 1]);
  default:
    return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL,
                        "unknown option %.200s; see --help",
                        argv[optind - 1]);
  }
}

static int
check (int argc, char **argv, const struct gateway_options *options,
       struct failure *why)
{
  if (options->help || options->version)
    return 0;
  if (optind < argc)
    return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL,
                        "unexpected argument %.200s; see --help",
                        argv[optind]);
  if (options->routes == NULL)
    return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL,
                        "--routes FILE is missing; see --help");
  return 0;
}

int
gateway_options_parse (int argc, char **argv, struct gateway_options *options,
                       struct failure *why)
{
  struct gateway_options out = { .send_limit = SEND_LIMIT_DEFAULT };
  int option, r = 0;

  out.unix_paths = calloc ((size_t) argc + 1, sizeof *out.unix_paths);
  out.tcp_addresses = calloc ((size_t) argc + 1, sizeof *out.tcp_addresses);
  if (out.unix_paths == NULL || out.tcp_addresses == NULL)
    r = failure_set (why, FAILURE_GENERIC, ENOMEM, "out of memory");
  opterr = 0;
  while (r == 0 &&
         (option = getopt_long (argc, argv, ":", long_options, NULL)) != -1)
    r = take_option (argc, argv, option, &out, why);
  if (r == 0)
    r = check (argc, argv, &out, why);
  if (r < 0) {
    gateway_options_free (&out);
    return r;
  }
  *options = out;
  return 0;
}

void
gateway_options_free (struct gateway_options *options)
{
  free (options->unix_paths);
  free (options->tcp_addresses);
}
