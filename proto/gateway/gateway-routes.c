/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Nearly every key is needed and none is spare, so that a daemon and a gateway of
 * different versions, or a hand that slips, disagree here with a sentence and
 * not later with a client.  Names are checked too: they are sent as they
 * are. */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "full-io.h"
#include "gateway-routes.h"
#include "name.h"
#include "socket.h"

#define ROUTES_SIZE_MAX (16 << 20)

/* One key of an object: its name, type and where its value goes. */
struct key {
  const char *name;
  json_type type;
  struct json_object *value;
  bool spare;                   /* it may be left out */
};

/* Fills the values of KEYS from OBJECT; every key must be there that is not spare,
 * and no other.  WHAT names the object in the sentence. */
static int
take_keys (struct json_object *object, const char *what, struct key *keys,
           size_t n_keys, struct failure *why)
{
  size_t i;

  if (!json_object_is_type (object, json_type_object))
    return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL,
                        "routes: %s must be an object", what);
  json_object_object_foreach (object, name, value) {
    for (i = 0; i < n_keys && strcmp (keys[i].name, name) != 0; i++)
      ;
    if (i == n_keys)
      return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL,
                          "routes: %s has the unknown key \"%s\"", what, name);
    if (!json_object_is_type (value, keys[i].type))
      return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL,
                          "routes: \"%s\" of %s must be of type %s", name, what,
                          json_type_to_name (keys[i].type));
    keys[i].value = value;
  }
  for (i = 0; i < n_keys; i++)
    if (keys[i].value == NULL && !keys[i].spare)
      return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL,
                          "routes: %s lacks the key \"%s\"", what,
                          keys[i].name);
  return 0;
}

/* A copy of a JSON string of at most MAX bytes and without NUL inside. */
static int
take_string (const struct key *key, const char *what, size_t min, size_t max,
             char **out, struct failure *why)
{
  const char *text = json_object_get_string (key->value);
  size_t length = (size_t) json_object_get_string_len (key->value);

  if (length < min || length > max || strlen (text) != length)
    return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL,
                        "routes: \"%s\" of %s must have %zu to %zu bytes",
                        key->name, what, min, max);
  *out = strdup (text);
  if (*out == NULL)
    return failure_set (why, FAILURE_GENERIC, ENOMEM, "out of memory");
  return 0;
}

static int
check_context (const struct route *route, const struct route_context *context,
               struct failure *why)
{
  const struct route_context *other;

  if (strchr (context->name, ':') == NULL ||
      strncmp (context->name, "base:", 5) == 0 ||
      strncmp (context->name, "pullback:", 9) == 0)
    return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL,
                        "routes: context name \"%.200s\" needs a namespace "
                        "other than base and pullback, such as "
                        CONTEXT_DIRTY_PREFIX "NAME", context->name);
  for (other = route->contexts; other < context; other++)
    if (strcmp (other->name, context->name) == 0)
      return failure_set (why, FAILURE_BAD_ARGUMENT, EEXIST,
                          "routes: export \"%.200s\" has the context "
                          "\"%.200s\" twice", route->name, context->name);
  return 0;
}

static int
load_context (struct json_object *object, const struct route *route,
              struct route_context *context, struct failure *why)
{
  struct key keys[] = { { "name", json_type_string, NULL, false },
                        { "upstream", json_type_string, NULL, true },
                        { "map", json_type_string, NULL, true } };
  bool has_map;
  int r = take_keys (object, "a context", keys, 3, why);

  if (r == 0)
    r = take_string (&keys[0], "a context", 1, NBD_STRING_MAX, &context->name,
                     why);
  if (r < 0)
    return r;
  has_map = keys[2].value != NULL;
  if (has_map == (keys[1].value != NULL))
    return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL, "routes: context "
                        "\"%.200s\" needs either the key \"upstream\" or the "
                        "key \"map\"", context->name);
  r = take_string (&keys[has_map ? 2 : 1], "a context", has_map, NBD_STRING_MAX,
                   has_map ? &context->map : &context->upstream, why);
  return r < 0 ? r : check_context (route, context, why);
}

static int
load_contexts (struct json_object *array, struct route *route,
               struct failure *why)
{
  size_t n = json_object_array_length (array), i;
  int r;

  if (n > ROUTE_CONTEXTS_MAX)
    return failure_set (why, FAILURE_BAD_ARGUMENT, E2BIG,
                        "routes: export \"%.200s\" has more than %d contexts",
                        route->name, ROUTE_CONTEXTS_MAX);
  route->contexts = calloc (n + 1, sizeof *route->contexts);
  if (route->contexts == NULL)
    return failure_set (why, FAILURE_GENERIC, ENOMEM, "out of memory");
  route->n_contexts = n;
  for (i = 0; i < n; i++) {
    r = load_context (json_object_array_get_idx (array, i), route,
                      &route->contexts[i], why);
    if (r < 0)
      return r;
  }
  return 0;
}

static int
load_export (struct json_object *object, const struct routes *routes,
             struct route *route, struct failure *why)
{
  struct key keys[] = { { "name", json_type_string, NULL, false },
                        { "upstream", json_type_string, NULL, false },
                        { "description", json_type_string, NULL, false },
                        { "contexts", json_type_array, NULL, false },
                        { "writable", json_type_boolean, NULL, true },
                        { "server", json_type_string, NULL, true },
                        { "map", json_type_string, NULL, true } };
  const struct route *other;
  int r = take_keys (object, "an export", keys, 7, why);

  if (r == 0)
    r = take_string (&keys[0], "an export", 1, NBD_STRING_MAX, &route->name,
                     why);
  if (r == 0)
    r = take_string (&keys[1], "an export", 0, NBD_STRING_MAX,
                     &route->upstream, why);
  if (r == 0)
    r = take_string (&keys[2], "an export", 0, NBD_STRING_MAX,
                     &route->description, why);
  if (r == 0 && keys[5].value != NULL)
    r = take_string (&keys[5], "an export", 1, SOCKET_PATH_MAX,
                     &route->server, why);
  if (r == 0 && keys[6].value != NULL)
    r = take_string (&keys[6], "an export", 1, NBD_STRING_MAX, &route->map,
                     why);
  if (r < 0)
    return r;
  route->writable = keys[4].value != NULL &&
                    json_object_get_boolean (keys[4].value);
  for (other = routes->items; other < route; other++)
    if (strcmp (other->name, route->name) == 0)
      return failure_set (why, FAILURE_BAD_ARGUMENT, EEXIST,
                          "routes: the export \"%.200s\" is there twice",
                          route->name);
  return load_contexts (keys[3].value, route, why);
}

static int
load_routes (struct json_object *root, struct routes *routes,
             struct failure *why)
{
  struct key keys[] = { { "upstream", json_type_string, NULL, false },
                        { "exports", json_type_array, NULL, false } };
  size_t n, i;
  int r = take_keys (root, "the file", keys, 2, why);

  if (r == 0)
    r = take_string (&keys[0], "the file", 1, SOCKET_PATH_MAX,
                     &routes->upstream, why);
  if (r < 0)
    return r;
  n = json_object_array_length (keys[1].value);
  if (n == 0)
    return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL,
                        "routes: there is no export; list at least one");
  routes->items = calloc (n, sizeof *routes->items);
  if (routes->items == NULL)
    return failure_set (why, FAILURE_GENERIC, ENOMEM, "out of memory");
  routes->count = n;
  for (i = 0; i < n; i++) {
    r = load_export (json_object_array_get_idx (keys[1].value, i), routes,
                     &routes->items[i], why);
    if (r < 0)
      return r;
  }
  return 0;
}

static int
read_file (const char *file, char **text, size_t *length, struct failure *why)
{
  CLEANUP_FD int fd = open (file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  CLEANUP_FREE char *data = NULL;
  struct stat st;
  int r;

  if (fd < 0 || fstat (fd, &st) < 0)
    return failure_set (why, FAILURE_BAD_ARGUMENT, errno,
                        "cannot open the routes file %s: %s", file,
                        strerror (errno));
  if (!S_ISREG (st.st_mode) || st.st_size > ROUTES_SIZE_MAX)
    return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL,
                        "the routes file %s must be a regular file of at most "
                        "%d bytes", file, ROUTES_SIZE_MAX);
  data = malloc ((size_t) st.st_size + 1);
  if (data == NULL)
    return failure_set (why, FAILURE_GENERIC, ENOMEM, "out of memory");
  r = full_pread (fd, data, (size_t) st.st_size, 0);
  if (r < 0)
    return failure_set (why, FAILURE_BAD_ARGUMENT, -r,
                        "cannot read the routes file %s: %s", file,
                        strerror (-r));
  data[st.st_size] = '\0';
  *length = (size_t) st.st_size;
  *text = TAKE_PTR (data);
  return 0;
}

/* Parses the whole of TEXT; anything but one JSON value is an error. */
static int
parse_text (const char *file, const char *text, size_t length,
            struct json_object **root, struct failure *why)
{
  struct json_tokener *tokener = json_tokener_new ();
  enum json_tokener_error error;
  struct json_object *object;

  if (tokener == NULL)
    return failure_set (why, FAILURE_GENERIC, ENOMEM, "out of memory");
  json_tokener_set_flags (tokener, JSON_TOKENER_STRICT);
  /* The NUL behind the text tells the parser that nothing follows. */
  object = json_tokener_parse_ex (tokener, text, (int) length + 1);
  error = json_tokener_get_error (tokener);
  json_tokener_free (tokener);
  if (error != json_tokener_success) {
    json_object_put (object);
    return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL,
                        "the routes file %s is not JSON: %s", file,
                        json_tokener_error_desc (error));
  }
  *root = object;
  return 0;
}

static bool
is_same_disk (const char *a, const char *b)
{
  size_t length = strcspn (a, "@");

  return length == strcspn (b, "@") && memcmp (a, b, length) == 0;
}

/* To one that is before it, as that one was to those before it. */
static void
join_disk (struct routes *routes, size_t number)
{
  const struct route *route = &routes->items[number];
  size_t i;

  for (i = 0; route->served != NULL && i < number; i++)
    if (routes->items[i].served != NULL &&
        is_same_disk (routes->items[i].upstream, route->upstream)) {
      gateway_served_join_disk (routes->items[i].served, route->served);
      return;
    }
}

static int
open_served (struct routes *routes, const char *folder, struct failure *why)
{
  int r = 0;
  size_t i;

  for (i = 0; r == 0 && folder != NULL && i < routes->count; i++) {
    r = gateway_served_open (folder, routes->items[i].upstream,
                             &routes->items[i].served, why);
    if (r == 0)
      join_disk (routes, i);
  }
  return r;
}

/* Of the export that has the context's map, or its upstream name and none. */
static struct dirty *
find_dirty (const struct routes *routes, const struct route_context *context)
{
  const char *name = context->map != NULL ? context->map : context->upstream;
  size_t i;

  for (i = 0; i < routes->count; i++) {
    const struct route *route = &routes->items[i];

    if ((context->map != NULL) == (route->map != NULL) &&
        strcmp (route->map != NULL ? route->map : route->upstream, name) == 0)
      return route->dirty;
  }
  return NULL;
}

static int
open_map (const char *folder, struct route *route, struct failure *why)
{
  if (route->map != NULL && folder == NULL)
    return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL, "routes: export "
                        "\"%.200s\" has a map, and there is no folder of maps; "
                        "give --maps FOLDER", route->name);
  if (route->map != NULL)
    return gateway_dirty_open_alone (folder, route->map, &route->dirty, why);
  return folder == NULL ? 0
         : gateway_dirty_open (folder, route->upstream, &route->dirty, why);
}

static int
open_dirty (struct routes *routes, const char *folder, struct failure *why)
{
  int r = 0;
  size_t i, j;

  for (i = 0; r == 0 && i < routes->count; i++)
    r = open_map (folder, &routes->items[i], why);
  for (i = 0; r == 0 && i < routes->count; i++)
    for (j = 0; r == 0 && j < routes->items[i].n_contexts; j++) {
      struct route_context *context = &routes->items[i].contexts[j];

      context->dirty = find_dirty (routes, context);
      if (context->map != NULL && context->dirty == NULL)
        r = failure_set (why, FAILURE_BAD_ARGUMENT, ENOENT, "routes: no export "
                         "has the map \"%.200s\" of the context \"%.200s\"",
                         context->map, context->name);
    }
  return r;
}

/* Nothing is written of which it would not be known that it was. */
static int
open_written (struct routes *routes, const char *folder, struct failure *why)
{
  int r = 0;
  size_t i;

  for (i = 0; r == 0 && i < routes->count; i++) {
    struct route *route = &routes->items[i];

    if (route->writable && folder == NULL)
      return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL, "routes: export "
                          "\"%.200s\" is writable, and there is no folder with "
                          "a map of what is written; give --written FOLDER",
                          route->name);
    if (!route->writable)
      continue;
    r = gateway_written_open (folder, route->upstream, &route->written, why);
    route->writers = gateway_writers_create ();
    if (r == 0 && route->writers == NULL)
      r = failure_set (why, FAILURE_GENERIC, ENOMEM, "out of memory");
    /* nbdkit does it itself. */
    if (r == 0 && route->server != NULL)
      r = gateway_ended_open (route->server, &route->ended, why);
  }
  return r;
}

int
gateway_routes_load (const char *file, const struct routes_folders *folders,
                     struct routes *routes, struct failure *why)
{
  struct routes out = { 0 };
  CLEANUP_FREE char *text = NULL;
  struct json_object *root = NULL;
  size_t length = 0;
  int r = read_file (file, &text, &length, why);

  if (r == 0)
    r = parse_text (file, text, length, &root, why);
  if (r < 0)
    return r;
  r = load_routes (root, &out, why);
  json_object_put (root);
  if (r == 0)
    r = open_served (&out, folders->served, why);
  if (r == 0)
    r = open_dirty (&out, folders->maps, why);
  if (r == 0)
    r = open_written (&out, folders->written, why);
  if (r < 0) {
    gateway_routes_free (&out);
    return r;
  }
  *routes = out;
  return 0;
}

void
gateway_routes_free (struct routes *routes)
{
  size_t i, j;

  for (i = 0; i < routes->count; i++) {
    struct route *route = &routes->items[i];

    for (j = 0; j < route->n_contexts; j++) {
      free (route->contexts[j].name);
      free (route->contexts[j].upstream);
      free (route->contexts[j].map);
    }
    free (route->contexts);
    gateway_served_close (route->served);
    gateway_dirty_close (route->dirty);
    gateway_written_close (route->written);
    gateway_writers_free (route->writers);
    gateway_ended_close (route->ended);
    free (route->server);
    free (route->map);
    free (route->name);
    free (route->upstream);
    free (route->description);
  }
  free (routes->items);
  free (routes->upstream);
  free (routes->memory);
  *routes = (struct routes) { 0 };
}

const char *
gateway_routes_server (const struct routes *routes, const struct route *route)
{
  return route->server != NULL ? route->server : routes->upstream;
}

static const struct route *
find_default (const struct routes *routes)
{
  const struct route *found = NULL;
  size_t i;

  for (i = 0; i < routes->count; i++) {
    if (name_label (routes->items[i].name) != NULL)
      continue;
    if (found != NULL)
      return NULL;
    found = &routes->items[i];
  }
  return found;
}

const struct route *
gateway_routes_find (const struct routes *routes, struct nbd_text name)
{
  size_t i;

  if (name.length == 0)
    return find_default (routes);
  for (i = 0; i < routes->count; i++)
    if (nbd_text_is (name, routes->items[i].name))
      return &routes->items[i];
  return NULL;
}
