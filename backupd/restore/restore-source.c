/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A file is the backing file of an image that has no header of its own for it, so that the
 * chain below is opened and locked as that of any image.  An export is asked for its size
 * before QEMU opens it, whose complaint would be in the log alone. */
#include <config.h>

#include <errno.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include <glib.h>
#include <libnbd.h>

#include "control-commands.h"
#include "deadline.h"
#include "json-members.h"
#include "patience.h"
#include "restore-chain.h"
#include "restore-format.h"
#include "restore-source.h"

/* So long QEMU tries to connect again before a read fails. */
#define RECONNECT_S MAX (1, patience_ms (20000) / 1000)

struct restore_source {
  char *text, *format;
  uint64_t size;
  json_object *facts;           /* of each file: what it was; NULL: not known, or an export */
  char *socket, *host, *port;   /* of an export: SOCKET, or the others */
  char *export_name;            /* NULL: it is a file */
  struct restore_chain chain;
};

/* --- what it is called ------------------------------------------------------ */

static int
bad_uri (const char *text, const char *what, struct failure *why)
{
  return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL, "the source %s %s: "
                      "say nbd://HOST[:PORT]/EXPORT or "
                      "nbd+unix:///EXPORT?socket=PATH", text, what);
}

static int
parse_uri (struct restore_source *source, struct failure *why)
{
  const char *text = source->text;
  g_autoptr (GUri) uri = g_uri_parse (text, G_URI_FLAGS_NONE, NULL);
  const char *scheme = uri == NULL ? "" : g_uri_get_scheme (uri), *path;
  g_autoptr (GHashTable) query =
    uri == NULL || g_uri_get_query (uri) == NULL ? NULL
    : g_uri_parse_params (g_uri_get_query (uri), -1, "&", G_URI_PARAMS_NONE,
                          NULL);
  bool local = strcmp (scheme, "nbd+unix") == 0;

  if (g_str_has_prefix (scheme, "nbds"))
    return bad_uri (text, "is encrypted, which is not supported", why);
  if (!local && strcmp (scheme, "nbd") != 0 && strcmp (scheme, "nbd+tcp") != 0)
    return bad_uri (text, "is no NBD URI", why);
  source->socket = query == NULL ? NULL
                   : g_strdup (g_hash_table_lookup (query, "socket"));
  if (local && (source->socket == NULL || source->socket[0] != '/'))
    return bad_uri (text, "has no absolute path of a socket", why);
  if (!local) {
    g_clear_pointer (&source->socket, g_free);
    source->host = g_strdup (g_uri_get_host (uri));
    source->port = g_strdup_printf ("%d", g_uri_get_port (uri) < 0 ? 10809
                                    : g_uri_get_port (uri));
    if (source->host == NULL || source->host[0] == '\0')
      return bad_uri (text, "has no host", why);
  }
  path = g_uri_get_path (uri);
  source->export_name = g_strdup (path[0] == '/' ? path + 1 : path);
  return 0;
}

int
restore_source_create (const char *text, const char *format,
                       struct restore_source **ret, struct failure *why)
{
  struct restore_source *source = g_new0 (struct restore_source, 1);
  int r = 0;

  source->text = g_strdup (text);
  source->format = g_strdup (format != NULL ? format : "raw");
  if (control_source_is_uri (text)) {
    r = parse_uri (source, why);
    if (r == 0 && strcmp (source->format, "raw") != 0)
      r = failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL, "the source %s is an "
                       "NBD export, which is read as the disk itself: "
                       "--source-format raw, or none", text);
  }
  else if (format == NULL)
    r = failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL, "say --source-format: "
                     "what %s is, raw or qcow2; that is never guessed", text);
  else
    r = restore_format_check (format, why);
  if (r < 0)
    restore_source_destroy (source);
  else
    *ret = source;
  return r;
}

void
restore_source_destroy (struct restore_source *source)
{
  if (source == NULL)
    return;
  restore_source_close (source);
  json_object_put (source->facts);
  g_free (source->text);
  g_free (source->format);
  g_free (source->socket);
  g_free (source->host);
  g_free (source->port);
  g_free (source->export_name);
  g_free (source);
}

void
restore_source_close (struct restore_source *source)
{
  restore_chain_close (&source->chain);
}

const char *
restore_source_text (const struct restore_source *source)
{
  return source->text;
}

const char *
restore_source_format (const struct restore_source *source)
{
  return source->format;
}

uint64_t
restore_source_size (const struct restore_source *source)
{
  return source->size;
}

static const struct restore_layer *
layer_at (const struct restore_source *source, size_t i)
{
  return &g_array_index (source->chain.layers, struct restore_layer, i);
}

size_t
restore_source_n_files (const struct restore_source *source)
{
  return source->chain.layers == NULL ? 0 : source->chain.layers->len;
}

int
restore_source_fd (const struct restore_source *source, size_t i)
{
  return layer_at (source, i)->fd;
}

const char *
restore_source_fd_format (const struct restore_source *source, size_t i)
{
  return layer_at (source, i)->format;
}

/* --- what it was --------------------------------------------------------------- */

/* New. */
static json_object *
facts_of (const struct restore_layer *layer)
{
  json_object *o = json_with ("path", layer->path);
  uint64_t size = 0;
  struct stat st;

  if (fstat (layer->fd, &st) < 0)
    return o;
  if (S_ISBLK (st.st_mode)) {
    (void) ioctl (layer->fd, BLKGETSIZE64, &size);
    json_add_u64 (o, "size", size);
    return o;
  }
  json_add_u64 (o, "size", (uint64_t) st.st_size);
  json_add_u64 (o, "inode", st.st_ino);
  json_add_i64 (o, "modified", st.st_mtim.tv_sec);
  json_add_i64 (o, "nanoseconds", st.st_mtim.tv_nsec);
  return o;
}

static json_object *
facts_now (const struct restore_source *source)
{
  json_object *facts = json_object_new_array ();

  for (size_t i = 0; i < restore_source_n_files (source); i++)
    json_object_array_add (facts, facts_of (layer_at (source, i)));
  return facts;
}

static int
changed (const struct restore_source *source, size_t i, json_object *before,
         json_object *now, struct failure *why)
{
  uint64_t was = json_get_u64 (before, "size");
  uint64_t is = json_get_u64 (now, "size");
  const char *path = json_get_string (now, "path");

  if (was != is)
    return failure_set (why, FAILURE_BROKEN, ESTALE, "%s, which %s is restored "
                        "from, has %llu bytes now, and had %llu when the "
                        "restore began: what is read of it may be wrong",
                        path, source->text, (unsigned long long) is,
                        (unsigned long long) was);
  return failure_set (why, FAILURE_BROKEN, ESTALE, "%s was written to, or is "
                      "another file, since the restore from %s began: what is "
                      "read of it may be wrong", path, source->text);
}

int
restore_source_check (const struct restore_source *source, struct failure *why)
{
  CLEANUP_JSON json_object *now = NULL;

  if (source->chain.layers == NULL || source->facts == NULL)
    return 0;
  now = facts_now (source);
  if (json_length (now) != json_length (source->facts))
    return failure_set (why, FAILURE_BROKEN, ESTALE, "%s has other backing "
                        "files than when the restore began", source->text);
  for (size_t i = 0; i < json_length (now); i++) {
    json_object *before = json_object_array_get_idx (source->facts, i);
    json_object *one = json_object_array_get_idx (now, i);

    if (!json_object_equal (before, one))
      return changed (source, i, before, one, why);
  }
  return 0;
}

/* --- an export ------------------------------------------------------------------- */

static int
nbd_failure (const struct restore_source *source, int error, const char *said,
             struct failure *why)
{
  return failure_set (why, FAILURE_STORAGE, error != 0 ? error : EIO, "the source "
                      "%s cannot be opened: %s", source->text,
                      said != NULL ? said : "unknown");
}

static int
ask_size (const struct restore_source *source, struct nbd_handle *nbd,
          int64_t deadline, uint64_t *ret, struct failure *why)
{
  int r = nbd_set_export_name (nbd, source->export_name);
  int64_t size;

  if (r == 0)
    r = source->socket != NULL
        ? nbd_aio_connect_unix (nbd, source->socket)
        : nbd_aio_connect_tcp (nbd, source->host, source->port);
  while (r == 0 && nbd_aio_is_connecting (nbd)) {
    if (ms_left (deadline) == 0)
      return nbd_failure (source, ETIMEDOUT, "its server does not answer", why);
    if (nbd_poll (nbd, ms_left (deadline)) < 0)
      r = -1;
  }
  if (r < 0 || !nbd_aio_is_ready (nbd))
    return nbd_failure (source, nbd_get_errno (), nbd_get_error (), why);
  size = nbd_get_size (nbd);
  if (size < 0)
    return nbd_failure (source, nbd_get_errno (), nbd_get_error (), why);
  *ret = (uint64_t) size;
  return 0;
}

static int
measure_export (const struct restore_source *source, int timeout_ms,
                uint64_t *size, struct failure *why)
{
  struct nbd_handle *nbd = nbd_create ();
  int r = nbd == NULL ? nbd_failure (source, ENOMEM, "no memory", why)
          : ask_size (source, nbd, now_ms () + timeout_ms, size, why);

  nbd_close (nbd);
  return r;
}

json_object *
restore_source_node (const struct restore_source *source)
{
  json_object *o, *server;

  if (source->export_name == NULL)
    return NULL;
  o = json_with ("driver", "nbd");
  server = json_with ("type", source->socket != NULL ? "unix" : "inet");
  if (source->socket != NULL)
    json_add_string (server, "path", source->socket);
  else {
    json_add_string (server, "host", source->host);
    json_add_string (server, "port", source->port);
  }
  json_object_object_add (o, "server", server);
  json_add_string (o, "export", source->export_name);
  json_add_bool (o, "read-only", true);
  json_add_i64 (o, "reconnect-delay", RECONNECT_S);
  return o;
}

/* --- opening --------------------------------------------------------------------- */

static int
measure_file (const struct restore_source *source, uint64_t *size,
              struct failure *why)
{
  const struct restore_layer *layer = layer_at (source, 0);
  CLEANUP_JSON json_object *info = NULL, *facts = NULL;
  int r;

  if (strcmp (layer->format, "raw") == 0) {
    facts = facts_of (layer);
    *size = json_get_u64 (facts, "size");
    return 0;
  }
  r = restore_format_info (layer->fd, layer->path, layer->format, &info, why);
  if (r == 0)
    *size = json_get_u64 (info, "virtual-size");
  return r;
}

static int
open_file (struct restore_source *source, const char *of,
           const char *const *folders, struct failure *why)
{
  CLEANUP_JSON json_object *info = json_with ("backing-filename",
                                              source->text);

  json_add_string (info, "backing-filename-format", source->format);
  restore_source_close (source);
  return restore_chain_open (of, info, folders, &source->chain, why);
}

int
restore_source_open (struct restore_source *source, const char *of,
                     const char *const *folders, int timeout_ms,
                     struct failure *why)
{
  uint64_t size = 0;
  int r = source->export_name != NULL
          ? measure_export (source, timeout_ms, &size, why)
          : open_file (source, of, folders, why);

  if (r == 0 && source->export_name == NULL)
    r = measure_file (source, &size, why);
  if (r == 0 && size == 0)
    r = failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL, "the source %s is empty",
                     source->text);
  if (r == 0)
    r = restore_source_check (source, why);
  if (r == 0 && source->size != 0 && source->size != size)
    r = failure_set (why, FAILURE_BROKEN, ESTALE, "the source %s has %llu bytes "
                     "now, and had %llu when the restore began: it is not what "
                     "it was", source->text, (unsigned long long) size,
                     (unsigned long long) source->size);
  if (r < 0)
    return r;
  source->size = size;
  if (source->facts == NULL && source->export_name == NULL)
    source->facts = facts_now (source);
  return 0;
}

/* --- the journal ----------------------------------------------------------------- */

json_object *
restore_source_record (const struct restore_source *source)
{
  json_object *o = json_with ("source", source->text);

  json_add_string (o, "format", source->format);
  json_add_u64 (o, "size", source->size);
  if (source->facts != NULL)
    json_object_object_add (o, "files", json_object_get (source->facts));
  return o;
}

int
restore_source_from_record (json_object *record, struct restore_source **ret)
{
  const char *text = json_get_string (record, "source");
  const char *format = json_get_string (record, "format");
  json_object *files = json_get_array (record, "files");
  struct restore_source *source;
  int r = text == NULL || format == NULL ? -EINVAL
          : restore_source_create (text, format, &source, NULL);

  if (r < 0)
    return r;
  source->size = json_get_u64 (record, "size");
  source->facts = files == NULL ? NULL : json_object_get (files);
  *ret = source;
  return 0;
}
