/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The filter is a list of what the gateway needs: what is not in it fails as if
 * it were not permitted, since a library that tries something new should be told
 * and not cost all clients their connections.  With a sanitizer there is none,
 * as its run time looks into files and at other processes. */
#include <config.h>

#include <cap-ng.h>
#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway-confine.h"
#include "user.h"

#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
# define FILTERED false
#else
# define FILTERED true
#endif

/* --- the filter ----------------------------------------------------- */

/* The library's macros leave a member of this out. */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

static const int allowed[] = {
  /* clients and the view */
  SCMP_SYS (accept4), SCMP_SYS (connect), SCMP_SYS (shutdown),
  SCMP_SYS (getsockopt), SCMP_SYS (setsockopt), SCMP_SYS (getsockname),
  SCMP_SYS (getpeername), SCMP_SYS (recvfrom), SCMP_SYS (recvmsg),
  SCMP_SYS (sendto), SCMP_SYS (sendmsg), SCMP_SYS (read), SCMP_SYS (readv),
  SCMP_SYS (write), SCMP_SYS (writev), SCMP_SYS (pwrite64), SCMP_SYS (splice),
  SCMP_SYS (pipe2), SCMP_SYS (close), SCMP_SYS (fcntl), SCMP_SYS (ioctl),
  SCMP_SYS (fstat), SCMP_SYS (lseek), SCMP_SYS (poll), SCMP_SYS (ppoll),
  SCMP_SYS (eventfd2), SCMP_SYS (pread64), SCMP_SYS (fallocate),
  SCMP_SYS (sync_file_range),
  /* threads, memory, time */
  SCMP_SYS (futex), SCMP_SYS (set_robust_list), SCMP_SYS (rseq),
  SCMP_SYS (sched_yield), SCMP_SYS (sched_getaffinity), SCMP_SYS (gettid),
  SCMP_SYS (getpid), SCMP_SYS (getuid), SCMP_SYS (geteuid),
  SCMP_SYS (tgkill), SCMP_SYS (mremap), SCMP_SYS (munmap),
  SCMP_SYS (madvise), SCMP_SYS (msync), SCMP_SYS (brk),
  SCMP_SYS (rt_sigprocmask), SCMP_SYS (rt_sigaction), SCMP_SYS (rt_sigreturn),
  SCMP_SYS (sigaltstack), SCMP_SYS (restart_syscall), SCMP_SYS (exit),
  SCMP_SYS (exit_group), SCMP_SYS (clock_gettime), SCMP_SYS (gettimeofday),
  SCMP_SYS (clock_nanosleep), SCMP_SYS (nanosleep), SCMP_SYS (getrandom),
};

/* No code comes into memory. */
static int
allow_memory (scmp_filter_ctx filter)
{
  const int with_protection[] = { SCMP_SYS (mmap), SCMP_SYS (mprotect) };
  size_t i;
  int r = 0;

  for (i = 0; i < 2 && r == 0; i++)
    r = seccomp_rule_add (filter, SCMP_ACT_ALLOW, with_protection[i], 1,
                          SCMP_A2 (SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
  return r;
}

/* Threads, but no processes.  clone3 has its flags where a filter cannot see
 * them; where it seems to be missing the C library takes clone. */
static int
allow_threads (scmp_filter_ctx filter)
{
  int r = seccomp_rule_add (filter, SCMP_ACT_ERRNO (ENOSYS),
                            SCMP_SYS (clone3), 0);

  return r < 0 ? r
         : seccomp_rule_add (filter, SCMP_ACT_ALLOW, SCMP_SYS (clone), 1,
                             SCMP_A0 (SCMP_CMP_MASKED_EQ, CLONE_THREAD,
                                      CLONE_THREAD));
}

static int
fill_filter (scmp_filter_ctx filter, bool unlinks)
{
  const int to_unlink[] = { SCMP_SYS (unlink), SCMP_SYS (newfstatat),
                            SCMP_SYS (lstat) };
  size_t i;
  int r = allow_memory (filter);

  for (i = 0; i < sizeof allowed / sizeof *allowed && r == 0; i++)
    r = seccomp_rule_add (filter, SCMP_ACT_ALLOW, allowed[i], 0);
  for (i = 0; i < 3 && unlinks && r == 0; i++)
    r = seccomp_rule_add (filter, SCMP_ACT_ALLOW, to_unlink[i], 0);
  if (r == 0)
    r = seccomp_rule_add (filter, SCMP_ACT_ALLOW, SCMP_SYS (socket), 1,
                          SCMP_A0 (SCMP_CMP_EQ, AF_UNIX));
  return r < 0 ? r : allow_threads (filter);
}

static int
set_filter (bool unlinks, struct failure *why)
{
  scmp_filter_ctx filter = seccomp_init (SCMP_ACT_ERRNO (EPERM));
  int r = filter == NULL ? -ENOMEM : fill_filter (filter, unlinks);

  if (r == 0)
    r = seccomp_load (filter);
  seccomp_release (filter);
  return r == 0 ? 0
         : failure_set (why, FAILURE_GENERIC, -r, "the filter of system calls "
                        "cannot be set: %s; the kernel needs "
                        "CONFIG_SECCOMP_FILTER", strerror (-r));
}

/* --- the user -------------------------------------------------------- */

/* Without CAP_SETPCAP the bounding set stays; no_new_privs makes it idle. */
static int
drop_capabilities (const char *user, struct failure *why)
{
  uid_t uid = 0;
  gid_t gid = 0;
  int r = user == NULL ? 0 : user_find (user, &uid, &gid);

  if (r < 0)
    return failure_set (why, FAILURE_BAD_ARGUMENT, ENOENT, "there is no user "
                        "%s to become; create it, or give a number", user);
  capng_clear (CAPNG_SELECT_BOTH);
  r = user == NULL ? capng_apply (CAPNG_SELECT_CAPS)
      : capng_change_id ((int) uid, (int) gid,
                         CAPNG_DROP_SUPP_GRP | CAPNG_CLEAR_BOUNDING);
  return r >= 0 ? 0
         : failure_set (why, FAILURE_GENERIC, EPERM, "cannot drop capabilities "
                        "and become user %s: only root can",
                        user != NULL ? user : "(the same)");
}

static int
drop_privileges (const char *user, struct failure *why)
{
  int r = drop_capabilities (user, why);

  if (r == 0 && prctl (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
    r = failure_set (why, FAILURE_GENERIC, errno, "cannot give up new "
                     "privileges: %s", strerror (errno));
  return r;
}

/* The name of PATH in the folder of ROUTES' upstream socket; NULL: it is elsewhere. */
static const char *
name_in_folder (const struct routes *routes, const char *path)
{
  const char *name = strrchr (routes->upstream, '/');
  size_t length = name == NULL ? 0 : (size_t) (name + 1 - routes->upstream);

  return strncmp (path, routes->upstream, length) == 0 &&
         strchr (path + length, '/') == NULL ? path + length : NULL;
}

/* Makes PATH its name in the folder; of NULL nothing. */
static int
shorten (const struct routes *routes, char *path, struct failure *why)
{
  const char *name = path == NULL ? NULL : name_in_folder (routes, path);

  if (path != NULL && name == NULL)
    return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL, "the socket %.500s "
                        "is not in the folder of the upstream server's socket, "
                        "as --user wants it", path);
  if (name != NULL)
    memmove (path, name, strlen (name) + 1);
  return 0;
}

static int
enter_folder (struct routes *routes, struct failure *why)
{
  char *name = strrchr (routes->upstream, '/');
  int r = shorten (routes, routes->memory, why);
  size_t i;

  for (i = 0; r == 0 && i < routes->count; i++)
    r = shorten (routes, routes->items[i].server, why);
  if (r < 0 || name == NULL)
    return r;
  *name = '\0';
  r = chdir (*routes->upstream == '\0' ? "/" : routes->upstream);
  if (r < 0)
    return failure_set (why, FAILURE_STORAGE, errno, "cannot go to the folder "
                        "%.500s of the upstream server: %s", routes->upstream,
                        strerror (errno));
  memmove (routes->upstream, name + 1, strlen (name + 1) + 1);
  return 0;
}

int
gateway_confine (const struct gateway_confine *how, struct routes *routes,
                 struct failure *why)
{
  int r = how->user == NULL ? 0 : enter_folder (routes, why);

  if (r == 0)
    r = drop_privileges (how->user, why);
  return r < 0 || !FILTERED ? r : set_filter (how->unlinks, why);
}
