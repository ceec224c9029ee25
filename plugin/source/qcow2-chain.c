/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* All layers have the disk's offsets, so that the way down needs no more than
 * one number.  Where a layer ends there are zeros, whatever is below it: so
 * does QEMU. */
#include <config.h>

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "checked-math.h"
#include "file-identity.h"
#include "qcow2-chain.h"

#define BAD(...) failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL, __VA_ARGS__)

struct link {
  uint64_t size;                /* whole sectors */
  struct source *raw;           /* NULL: it is qcow2 */
  struct qcow2_layer qcow2;
};

struct qcow2_chain {
  struct qcow2_tables *tables;
  size_t count;
  struct link links[QCOW2_CHAIN_MAX];
};

/* One word of the text, and what it is open on. */
struct element {
  char *format, *rest;
  char name[PATH_MAX + 32];     /* for messages */
};

/* --- opening ------------------------------------------------------------ */

/* "FD:ID" */
static int
open_descriptor (char *text, struct image_file *file, struct element *element,
                 const char *disk, struct failure *why)
{
  char *end = text;
  long fd;

  errno = 0;
  fd = strtol (text, &end, 10);
  if (text[0] < '0' || text[0] > '9' || *end != ':' || end[1] == '\0' ||
      errno != 0 || fd < 3 || fd > INT_MAX)
    return BAD ("disk %s: chain=: \"%s\" must be FORMAT:FD:ID with an open "
                "descriptor FD from 3 on", disk, text);
  snprintf (element->name, sizeof element->name, "descriptor %ld", fd);
  return image_file_take (file, (int) fd, element->name, end + 1, disk, why);
}

static int
open_element (const struct source_config *config, struct element *element,
              struct image_file *file, const char *disk, struct failure *why)
{
  if (config->kind == SOURCE_CHAIN)
    return open_descriptor (element->rest, file, element, disk, why);
  snprintf (element->name, sizeof element->name, "%s", element->rest);
  return image_file_open (file, element->rest, config->direct_io, disk, why);
}

/* FILE moves to the source. */
static int
add_raw (struct link *link, struct image_file *file, const char *disk,
         struct failure *why)
{
  char id[FILE_IDENTITY_SIZE];
  struct source_config config = { .kind = SOURCE_DIRECT_RAW_FD, .id = id };
  struct stat st;
  off_t size;

  config.fd = TAKE_FD (file->fd);
  size = lseek (config.fd, 0, SEEK_END);
  if (fstat (config.fd, &st) < 0 || size < 0)
    return failure_set (why, FAILURE_STORAGE, errno, "disk %s: cannot tell the "
                        "size of descriptor %d: %s", disk, config.fd,
                        strerror (errno));
  file_identity_text (&st, id);
  link->size = round_up_pow2 ((uint64_t) size, 512);
  return source_direct_raw_open_fd (&config, disk, 0, &link->raw, why);
}

/* As QEMU judges whether an image was preallocated (which costs it a look at
 * the file for each run of data), but that all of the file counts as used. */
static bool
is_sparse (const struct qcow2_layer *layer)
{
  struct stat st;
  uint64_t real, all;

  if (fstat (layer->file.fd, &st) < 0 || !S_ISREG (st.st_mode))
    return false;
  real = (uint64_t) st.st_blocks * 512 >> layer->header.cluster_bits;
  all = round_up_pow2 ((uint64_t) st.st_size,
                       UINT64_C (1) << layer->header.cluster_bits) >>
        layer->header.cluster_bits;
  return all >= max_u64 (real + real / 9, real + 2);
}

static int
add_qcow2 (struct link *link, struct image_file *file,
           const struct element *element, const char *disk,
           struct failure *why)
{
  const char *what = NULL;
  int r = qcow2_probe (file->fd, &link->qcow2.header, &what);

  if (r == -EINVAL)
    return BAD ("disk %s: %s %s", disk, element->name, what);
  if (r < 0)
    return failure_set (why, FAILURE_STORAGE, -r, "disk %s: %s %s: %s", disk,
                        element->name, what, strerror (-r));
  link->size = link->qcow2.header.size;
  link->qcow2.file = *file;
  file->fd = -1;
  link->qcow2.sparse = is_sparse (&link->qcow2);
  return 0;
}

/* It belongs to the layer before it. */
static int
add_data (struct qcow2_chain *chain, struct image_file *file,
          const struct element *element, const char *disk, struct failure *why)
{
  struct link *link = chain->count > 0 ? &chain->links[chain->count - 1] : NULL;

  if (link == NULL || link->raw != NULL || !link->qcow2.header.has_data_file ||
      link->qcow2.data.fd >= 0)
    return BAD ("disk %s: %s cannot be a data file: the image before it in the "
                "chain has none", disk, element->name);
  link->qcow2.data = *file;
  file->fd = -1;
  return 0;
}

static int
add_file (struct qcow2_chain *chain, struct image_file *file,
          const struct element *element, const char *disk, struct failure *why)
{
  struct link *link = &chain->links[chain->count];

  if (strcmp (element->format, "data") == 0)
    return add_data (chain, file, element, disk, why);
  if (chain->count == QCOW2_CHAIN_MAX)
    return BAD ("disk %s: its chain has more than %d images", disk,
                QCOW2_CHAIN_MAX);
  link->raw = NULL;
  link->qcow2.file.fd = link->qcow2.data.fd = -1;
  link->qcow2.index = (unsigned) chain->count;
  chain->count++;
  if (strcmp (element->format, "raw") == 0)
    return add_raw (link, file, disk, why);
  return add_qcow2 (link, file, element, disk, why);
}

/* WORD is "FORMAT:..." */
static int
add_word (struct qcow2_chain *chain, const struct source_config *config,
          char *word, const char *disk, struct failure *why)
{
  struct element element = { .format = word, .rest = strchr (word, ':') };
  struct image_file file = { .fd = -1 };
  int r;

  if (element.rest != NULL)
    *element.rest++ = '\0';
  if (element.rest == NULL || (strcmp (word, "qcow2") != 0 &&
      strcmp (word, "raw") != 0 && strcmp (word, "data") != 0))
    return BAD ("disk %s: \"%s\" is no part of a chain: each is qcow2:, raw: "
                "or data: and what it is of", disk, word);
  r = open_element (config, &element, &file, disk, why);
  if (r == 0)
    r = add_file (chain, &file, &element, disk, why);
  image_file_close (&file);
  return r;
}

static int
check_whole (const struct qcow2_chain *chain, const char *disk,
             uint64_t disk_size, struct failure *why)
{
  const struct link *last = &chain->links[chain->count - 1];
  size_t i;

  for (i = 0; i < chain->count; i++) {
    const struct link *link = &chain->links[i];

    if (link->raw == NULL && link->qcow2.header.has_data_file &&
        link->qcow2.data.fd < 0)
      return BAD ("disk %s: image %zu of its chain has an external data file, "
                  "which must follow it as data:", disk, i + 1);
    if (link->raw != NULL && link != last)
      return BAD ("disk %s: image %zu of its chain is raw but not the last",
                  disk, i + 1);
  }
  if (last->raw == NULL && last->qcow2.header.has_backing)
    return BAD ("disk %s: the last image of its chain has a backing file, "
                "which is missing from the chain", disk);
  if (chain->links[0].size < disk_size)
    return BAD ("disk %s: the first image of its chain has %llu bytes but the "
                "disk has %llu; is it the right image?", disk,
                (unsigned long long) chain->links[0].size,
                (unsigned long long) disk_size);
  return 0;
}

int
qcow2_chain_open (const struct source_config *config, const char *disk,
                  uint64_t disk_size, struct qcow2_chain **result,
                  struct failure *why)
{
  CLEANUP_FREE char *text = strdup (config->value);
  struct qcow2_chain *chain = calloc (1, sizeof *chain);
  char *word, *next = NULL;
  int r = 0;

  if (chain != NULL)
    chain->tables = qcow2_tables_create ();
  if (text == NULL || chain == NULL || chain->tables == NULL)
    r = failure_set (why, FAILURE_GENERIC, ENOMEM, "no memory for disk %s",
                     disk);
  for (word = text; r == 0 && word != NULL; word = next) {
    next = strchr (word, ',');
    if (next != NULL)
      *next++ = '\0';
    r = add_word (chain, config, word, disk, why);
  }
  if (r == 0)
    r = check_whole (chain, disk, disk_size, why);
  if (r < 0) {
    qcow2_chain_close (chain);
    return r;
  }
  *result = chain;
  return 0;
}

void
qcow2_chain_close (struct qcow2_chain *chain)
{
  size_t i;

  for (i = 0; chain != NULL && i < chain->count; i++) {
    source_close (chain->links[i].raw);
    image_file_close (&chain->links[i].qcow2.file);
    image_file_close (&chain->links[i].qcow2.data);
  }
  if (chain != NULL)
    qcow2_tables_destroy (chain->tables);
  free (chain);
}

/* --- reading ------------------------------------------------------------ */

void
qcow2_chain_map (const struct qcow2_chain *chain, uint64_t offset,
                 uint64_t limit, struct qcow2_place *place)
{
  struct qcow2_run run = { QCOW2_UNALLOCATED, 0, limit, 0 };
  size_t i;

  place->file = NULL;
  place->raw = NULL;
  place->sparse = false;
  for (i = 0; i < chain->count && run.kind == QCOW2_UNALLOCATED; i++) {
    const struct link *link = &chain->links[i];

    if (offset >= link->size)
      break;
    limit = min_u64 (run.length, link->size - offset);
    if (link->raw != NULL) {
      run = (struct qcow2_run) { QCOW2_DATA, offset, limit, 0 };
      place->raw = link->raw;
      break;
    }
    qcow2_layer_map (&link->qcow2, chain->tables, offset, limit, &run);
    place->file = link->qcow2.header.has_data_file ? &link->qcow2.data
                  : &link->qcow2.file;
    place->sparse = link->qcow2.sparse;
  }
  place->kind = run.kind == QCOW2_UNALLOCATED ? QCOW2_ZERO : run.kind;
  place->length = run.length;
  place->host = run.host;
  place->whole = run.kind == QCOW2_DATA ? run.whole : 0;
  if (place->raw != NULL)
    place->file = NULL;
}

uint64_t
qcow2_chain_cluster (const struct qcow2_chain *chain)
{
  const struct link *top = &chain->links[0];

  return top->raw != NULL ? 1 : UINT64_C (1) << top->qcow2.header.cluster_bits;
}

void
qcow2_chain_read_ahead (const struct qcow2_chain *chain, bool ahead)
{
  size_t i;

  for (i = 0; i < chain->count; i++) {
    const struct link *link = &chain->links[i];

    if (link->raw != NULL)
      source_read_ahead (link->raw, ahead);
    image_file_read_ahead (&link->qcow2.file, ahead);
    image_file_read_ahead (&link->qcow2.data, ahead);
  }
}

bool
qcow2_chain_is_as_opened (const struct qcow2_chain *chain)
{
  const struct link *top = &chain->links[0];
  unsigned char bytes[QCOW2_HEADER_BYTES];
  struct qcow2_header header;
  const char *what;

  /* Without a snapshot nothing is freed that is still wanted, and if one is
   * made the daemon ends the backup. */
  return top->raw != NULL || top->qcow2.header.snapshots == 0 ||
         (image_file_read (&top->qcow2.file, bytes, sizeof bytes, 0) == 0 &&
          qcow2_header_parse (bytes, sizeof bytes, &header, &what) == 0 &&
          qcow2_header_same (&top->qcow2.header, &header));
}
