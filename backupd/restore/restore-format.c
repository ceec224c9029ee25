/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qemu-img opens the image by our descriptor, 3 there, and never by a path.  Our locks are
 * not in its way: it is told not to look at them. */
#include <config.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <glib.h>

#include "deadline.h"
#include "json-members.h"
#include "process-spawn.h"
#include "restore-format.h"
#include "stop-clock.h"

#define IMAGE "/proc/self/fd/3"
#define INFO_MS 60000
/* And as long as it takes to write that much, where it is preallocated. */
#define CREATE_MS 60000
#define CREATE_BYTES_PER_MS 8192
#define OUTPUT_MAX (1 << 20)

/* Those that headers tell, and how it is known that one of them leads to no other file than
 * those that we have opened; NULL: it is not, and nothing is restored to it.  LUKS is not told, as
 * the guest may have that at the beginning of a raw disk. */
static const struct format {
  const char *name;
  unsigned offset;
  const char *magic;
  const char *one_file;
} formats[] = {
  { "raw", 0, "", "it has no header" },
  { "qcow2", 0, "QFI\xfb", "restore-chain.c looks at backing and data file" },
  { "vdi", 64, "\x7f\x10\xda\xbe", "it names no file, and QEMU refuses one "
    "with a parent or link" },
  { "vhdx", 0, "vhdxfile", "QEMU refuses one with a parent" },
  { "vmdk", 0, "KDMV", NULL },  /* may have files that only a text inside of it names */
  { "vpc", 0, "conectix", NULL }, /* may have a parent */
  { "qed", 0, "QED", NULL },    /* may have a backing file whose format QEMU guesses */
};

/* --- headers ----------------------------------------------------------------- */

static bool
can_be_restored_to (const char *format)
{
  for (size_t i = 0; i < G_N_ELEMENTS (formats); i++)
    if (strcmp (formats[i].name, format) == 0 && formats[i].one_file != NULL)
      return true;
  return false;
}

int
restore_format_check (const char *format, struct failure *why)
{
  if (can_be_restored_to (format))
    return 0;
  return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL, "images of the format "
                      "%s cannot be restored to, but raw, qcow2, vdi and vhdx: "
                      "restore to a new image, by --create qcow2 or --create "
                      "raw, from which qemu-img convert makes any other",
                      format);
}

static const char *
format_of_header (const char *bytes, size_t n)
{
  for (size_t i = 1; i < G_N_ELEMENTS (formats); i++) {
    size_t length = strlen (formats[i].magic);

    if (formats[i].offset + length <= n &&
        memcmp (bytes + formats[i].offset, formats[i].magic, length) == 0)
      return formats[i].name;
  }
  return NULL;
}

int
restore_format_compare (int fd, const char *path, const char *format,
                        struct failure *why)
{
  char bytes[128];
  ssize_t n = pread (fd, bytes, sizeof bytes, 0);
  const char *found = n < 0 ? NULL : format_of_header (bytes, (size_t) n);

  if (n < 0)
    return failure_set (why, FAILURE_STORAGE, errno, "%s cannot be read: %s",
                        path, g_strerror (errno));
  if (strcmp (format, "raw") == 0 && found == NULL)
    return 0;
  if (found != NULL && strcmp (format, found) == 0)
    return 0;
  if (found == NULL)
    return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL, "%s has not the "
                        "header of a %s image: is it raw?", path, format);
  if (strcmp (format, "raw") == 0)
    return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL, "%s begins like a "
                        "%s image: %s%s, or, if it is the raw disk of a guest "
                        "that has written this, overwrite its first sector "
                        "with zeroes", path, found, can_be_restored_to (found)
                        ? "give --format " : "restore to a new image by "
                        "--create ", can_be_restored_to (found) ? found
                        : "qcow2");
  return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL, "%s is a %s image by "
                      "its header, not %s", path, found, format);
}

/* --- qemu-img ---------------------------------------------------------------- */

/* All that is in the memory FD, as text; free with g_free. */
static char *
take_text (int fd)
{
  off_t length = lseek (fd, 0, SEEK_END);
  g_autofree char *text = NULL;
  ssize_t n;

  if (length < 0 || length > OUTPUT_MAX)
    return g_strdup ("");
  text = g_malloc0 ((gsize) length + 1);
  n = pread (fd, text, (size_t) length, 0);
  return n == length ? g_steal_pointer (&text) : g_strdup ("");
}

/* Its last line, with the image's own name in the place of ours. */
static char *
sentence_of (const char *said, const char *path)
{
  g_auto (GStrv) lines = g_strsplit (said, "\n", -1);
  const char *last = "";
  g_auto (GStrv) parts = NULL;

  for (guint i = 0; lines[i] != NULL; i++)
    if (lines[i][0] != '\0')
      last = lines[i];
  if (g_str_has_prefix (last, "qemu-img: "))
    last += strlen ("qemu-img: ");
  parts = g_strsplit (last, IMAGE, -1);
  return g_strjoinv (path, parts);
}

/* A daemon that is told to end does not wait for it. */
static int
wait_for (struct process *process, int64_t limit_ms, struct process_end *end)
{
  int64_t deadline = now_ms () + limit_ms;
  int r;

  do
    r = process_wait (process, MIN (stop_clock_cap (deadline),
                                    now_ms () + STOP_CLOCK_SLICE_MS), end);
  while (r == -ETIMEDOUT && ms_left (stop_clock_cap (deadline)) > 0);
  if (r != -ETIMEDOUT)
    return r;
  (void) pidfd_send_signal (process->pidfd, SIGKILL, NULL, 0);
  if (process_wait (process, now_ms () + 1000, NULL) == -ETIMEDOUT)
    process_let_go (process);
  return -ETIMEDOUT;
}

/* Runs it with the image FD; what it says goes to OUT.  This thread waits for its end, so it
 * outlives neither the thread nor the daemon. */
static int
run (char *const *argv, int fd, int out, int64_t limit_ms,
     struct process_end *end)
{
  struct process process;
  int r = process_spawn (&(struct process_spec) {
                           .program = argv[0], .argv = argv,
                           .descriptors = (int[]) { PROCESS_NULL, out, out, fd },
                           .n_descriptors = 4, .our_group = true,
                           .death_signal = SIGKILL
                         }, &process);

  return r < 0 ? r : wait_for (&process, limit_ms, end);
}

static int
run_failure (int r, const char *path, const char *said, struct failure *why)
{
  g_autofree char *sentence = sentence_of (said, path);

  if (r == -ENOENT)
    return failure_set (why, FAILURE_GENERIC, -r, "qemu-img, which %s needs, "
                        "is not installed", path);
  if (r == -ETIMEDOUT)
    return failure_set (why, FAILURE_TIMEOUT, -r, "qemu-img takes too long "
                        "with %s and was ended", path);
  if (r == 0)
    return failure_set (why, FAILURE_STORAGE, EIO, "qemu-img: %s", sentence);
  return failure_set (why, FAILURE_GENERIC, -r, "qemu-img cannot be run for "
                      "%s: %s", path, g_strerror (-r));
}

/* What it said, when it ended well; free with g_free. */
static int
run_qemu_img (char *const *argv, int fd, const char *path, int64_t limit_ms,
              char **ret, struct failure *why)
{
  CLEANUP_FD int out = memfd_create ("qemu-img", MFD_CLOEXEC);
  struct process_end end = { .number = 0 };
  g_autofree char *said = NULL;
  int r = out < 0 ? -errno : run (argv, fd, out, limit_ms, &end);

  said = out < 0 ? g_strdup ("") : take_text (out);
  if (r < 0 || end.unknown || end.by_signal || end.number != 0)
    return run_failure (r, path, said, why);
  *ret = g_steal_pointer (&said);
  return 0;
}

int
restore_format_info (int fd, const char *path, const char *format,
                     json_object **info, struct failure *why)
{
  struct stat st;
  bool block = fstat (fd, &st) == 0 && S_ISBLK (st.st_mode);
  g_autofree char *image =
    g_strdup_printf ("driver=%s,file.driver=%s,file.filename=" IMAGE
                     ",file.locking=off", format,
                     block ? "host_device" : "file");
  const char *argv[] = { "qemu-img", "info", "--output=json", "--image-opts",
                         image, NULL };
  g_autofree char *said = NULL;
  int r = run_qemu_img ((char *const *) argv, fd, path, INFO_MS, &said, why);
  json_object *found = r < 0 ? NULL : json_tokener_parse (said);

  if (r < 0)
    return r;
  if (!json_object_is_type (found, json_type_object)) {
    json_object_put (found);
    return failure_set (why, FAILURE_STORAGE, EPROTO, "what qemu-img says of "
                        "%s is not understood", path);
  }
  *info = found;
  return 0;
}

/* --- new images ---------------------------------------------------------------- */

/* They lead to other files. */
static const char *const forbidden[] = {
  "backing_file", "backing_fmt", "data_file", "data_file_raw", "size",
  "subformat", "encryption", "encrypt.", NULL
};

static int
check_option (const char *option, struct failure *why)
{
  if (strchr (option, '=') == NULL || option[0] == '=')
    return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL, "the option %s of "
                        "a new image is not KEY=VALUE", option);
  for (const char *const *key = forbidden; *key != NULL; key++)
    if (g_str_has_prefix (option, *key) &&
        (g_str_has_suffix (*key, ".") || option[strlen (*key)] == '='))
      return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL, "a new image is "
                          "one file that stands by itself: the option %s is "
                          "not for it", option);
  return 0;
}

/* QEMU's lists are comma-separated, with a comma doubled in them. */
static char *
escape (const char *option)
{
  g_auto (GStrv) parts = g_strsplit (option, ",", -1);

  return g_strjoinv (",,", parts);
}

int
restore_format_create (int fd, const char *path, const char *format,
                       uint64_t size, const char *const *options,
                       struct failure *why)
{
  g_autoptr (GPtrArray) argv = g_ptr_array_new_with_free_func (g_free);
  g_autofree char *said = NULL;
  static const char *const first[] = { "qemu-img", "create", "-q", "-f" };

  for (size_t i = 0; i < G_N_ELEMENTS (first); i++)
    g_ptr_array_add (argv, g_strdup (first[i]));
  g_ptr_array_add (argv, g_strdup (format));
  for (; options != NULL && *options != NULL; options++) {
    int r = check_option (*options, why);

    if (r < 0)
      return r;
    g_ptr_array_add (argv, g_strdup ("-o"));
    g_ptr_array_add (argv, escape (*options));
  }
  g_ptr_array_add (argv, g_strdup (IMAGE));
  g_ptr_array_add (argv, g_strdup_printf ("%llu", (unsigned long long) size));
  g_ptr_array_add (argv, NULL);
  return run_qemu_img ((char *const *) argv->pdata, fd, path, CREATE_MS +
                       (int64_t) (size / CREATE_BYTES_PER_MS), &said, why);
}
