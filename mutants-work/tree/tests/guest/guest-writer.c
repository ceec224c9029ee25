/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The program that makes a test guest write.  It is driven by lines on a
 * virtio-serial port; every line gets one line back, "ok ..." or "error ...".
 *
 *   ping                                        is anybody there
 *   load seed=N disk=D... [rate=OPS] [max=BYTES] [base=BYTES] [span=BYTES]
 *        [threads=N]       random writes, zero writes and discards until stop
 *   iops seed=N disk=D... [rate=OPS] [size=BYTES] [reads=PERCENT] [on=MS off=MS]
 *        [threads=N]       random writes of 4 KiB or SIZE until stop, of which
 *                          so many are reads; or ON ms of it, then OFF ms rest
 *   lap                                         how much since the last lap
 *   verify seed=N disk=D [rate=OPS] [base=BYTES] [span=BYTES]
 *                        random writes, and whether what was written is there
 *   report                                      errors and stalls of verify
 *   marker sector=N disk=A disk=B               a counter, first to A, then B
 *   fswork seed=N                               files on what is mounted
 *   stop                                        ends all of it, a last lap
 *   write|zero|discard DISK OFFSET LENGTH [BYTE]
 *   mkfs DISK, mount DISK, umount, sync, errors, poweroff
 *
 * Disks are named by their serial (the test sets serial=vda), so the order
 * in which the guest kernel finds them does not matter.  All I/O is O_DIRECT:
 * what was acknowledged has reached QEMU.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/reboot.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guest-load.h"

static pid_t fs_child;

static int
single_op (enum op op, const char *words)
{
  char name[32], path[300];
  uint64_t offset, length;
  unsigned byte = 0xa5;
  unsigned char *buffer = NULL;
  int fd, r;

  if (sscanf (words, "%31s %" SCNu64 " %" SCNu64 " %u", name, &offset,
              &length, &byte) < 3
      || length > (UINT64_C (64) << 20))
    return -EINVAL;
  fd = open_disk (name, O_RDWR | O_DIRECT | O_SYNC, path, sizeof path);
  if (fd < 0)
    return -errno;
  if (posix_memalign ((void **) &buffer, 4096, length + 1) != 0) {
    close (fd);
    return -ENOMEM;
  }
  memset (buffer, (int) byte, length);
  r = one_op (fd, op, buffer, offset, length);
  if (r < 0)
    atomic_fetch_add (&errors_seen, 1);
  free (buffer);
  close (fd);
  return r;
}

static int
shell (const char *format, const char *argument)
{
  char command[400];
  int status;

  snprintf (command, sizeof command, format, argument);
  status = system (command);
  return status == 0 ? 0 : -EIO;
}

static int
on_disk (const char *format, const char *name)
{
  char path[300];
  int fd = open_disk (name, O_RDONLY, path, sizeof path);

  if (fd < 0)
    return -errno;
  close (fd);
  return shell (format, path);
}

/* Writes, rewrites, syncs and removes files until it is killed. */
static int
start_fswork (char *words)
{
  struct options options;
  char seed[32];

  if (!parse_options (words, &options) || fs_child > 0)
    return -EINVAL;
  snprintf (seed, sizeof seed, "%" PRIu64, options.seed);
  fs_child = fork ();
  if (fs_child < 0)
    return -errno;
  if (fs_child == 0) {
    setpgid (0, 0);
    execl ("/bin/sh", "sh", "/fswork", seed, (char *) NULL);
    _exit (127);
  }
  setpgid (fs_child, fs_child);
  return 0;
}

static void
stop_fswork (void)
{
  if (fs_child > 0) {
    kill (-fs_child, SIGKILL);
    waitpid (fs_child, NULL, 0);
    fs_child = 0;
  }
}

static int
command (char *verb, char *words)
{
  if (strcmp (verb, "load") == 0 || strcmp (verb, "iops") == 0
      || strcmp (verb, "marker") == 0)
    return start_work (verb, words);
  if (strcmp (verb, "verify") == 0)
    return start_verify (words);
  if (strcmp (verb, "fswork") == 0)
    return start_fswork (words);
  if (strcmp (verb, "write") == 0)
    return single_op (OP_WRITE, words);
  if (strcmp (verb, "zero") == 0)
    return single_op (OP_ZERO, words);
  if (strcmp (verb, "discard") == 0)
    return single_op (OP_DISCARD, words);
  if (strcmp (verb, "mkfs") == 0)
    return on_disk ("mke2fs -F %s >/dev/null 2>&1", words);
  if (strcmp (verb, "mount") == 0)
    return on_disk ("d=%s; mount -t ext4 $d /mnt || mount -t ext2 $d /mnt",
                    words);
  if (strcmp (verb, "umount") == 0)
    return shell ("umount %s", "/mnt");
  if (strcmp (verb, "sync") == 0) {
    sync ();
    return 0;
  }
  if (strcmp (verb, "poweroff") == 0) {
    sync ();
    reboot (RB_POWER_OFF);
    return -errno;
  }
  return strcmp (verb, "ping") == 0 ? 0 : -ENOSYS;
}

int
main (int argc, char **argv)
{
  /* A virtio-serial port can be opened only once. */
  int fd = argc == 2 ? open (argv[1], O_RDWR | O_CLOEXEC) : -1;
  FILE *in = fd < 0 ? NULL : fdopen (fd, "r");
  FILE *out = fd < 0 ? NULL : fdopen (dup (fd), "w");
  char line[4096];
  char *words;
  int r;

  if (in == NULL || out == NULL) {
    fprintf (stderr, "usage: guest-writer PORT\n");
    return 1;
  }
  setvbuf (out, NULL, _IOLBF, 4096);
  fprintf (out, "ok ready\n");
  for (;;) {
    /* As long as nobody is at the other end: for a moment, in a migration. */
    if (fgets (line, sizeof line, in) == NULL) {
      clearerr (in);
      usleep (10000);
      continue;
    }
    line[strcspn (line, "\n")] = 0;
    words = strchr (line, ' ');
    words = words != NULL ? (*words = 0, words + 1) : line + strlen (line);
    if (strcmp (line, "stop") == 0) {
      stop_fswork ();
      stop_verify ();
      stop_work (out);
    }
    else if (strcmp (line, "lap") == 0)
      lap (out);
    else if (strcmp (line, "report") == 0)
      report_verify (out);
    else if (strcmp (line, "errors") == 0)
      fprintf (out, "ok errors=%llu\n", atomic_load (&errors_seen));
    else if ((r = command (line, words)) < 0)
      fprintf (out, "error %s: %s\n", line, strerror (-r));
    else
      fprintf (out, "ok\n");
  }
}
