/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* struct domain, for the files of this folder. */
#ifndef PULLBACK_DOMAIN_PRIVATE_H
#define PULLBACK_DOMAIN_PRIVATE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "backup.h"
#include "catalog.h"
#include "domain.h"
#include "qmp.h"

/* How long to wait for a QEMU that must be there. */
#define DOMAIN_OPEN_TIMEOUT_MS 5000
/* A QMP socket serves one client at a time: without a backup it is given
 * back after this. */
#define DOMAIN_LINK_IDLE_MS 3000

/* A QEMU that closed its monitor is given this to exit ... */
#define DOMAIN_EXIT_MS 1000
/* ... and else asked again this often. */
#define DOMAIN_RETRY_MS 2000
/* To undo what an earlier daemon has left, QEMU is asked again this often. */
#define DOMAIN_RECOVER_MS 10000

/* Between two tries to thaw a guest by an agent that does not answer. */
#define DOMAIN_THAW_AGAIN_MS 10000

/* On the stack of domain_run; the domain's thread fills it. */
struct domain_request {
  const char *name;
  enum domain_doing doing;
  int (*function) (struct domain *domain, void *opaque, struct failure *why);
  void *opaque;
  struct failure why;
  int error;                    /* 0 or -errno */
  bool done;
};

struct domain {
  /* Constant after domain_create. */
  struct domain_registration *registration;
  char *state_folder, *catalog_folder, *registration_file, *scratch_parent;
  char *private_folder, *client_socket, *scratch_folder, *journal;
  char *quiesce_journal;
  char *owner;                  /* of the scratch folder: whose daemon we are */
  char *maps_parent, *maps_folder;
  struct backup_paths paths;    /* borrows the lines above */
  int wake_fd;                  /* eventfd: look at request and stopping */
  int default_ttl, default_idle_timeout;        /* seconds; 0: none */

  /* Of domain_start and domain_join, in one thread. */
  pthread_t thread;
  bool started;

  pthread_mutex_t lock;         /* protects down to the next comment */
  pthread_cond_t changed;       /* request or ended changed */
  struct domain_request *request;       /* waiting or running; NULL: none */
  bool stopping;                /* asked to end */
  bool ended;                   /* takes no requests any more */
  json_object *published;       /* of the backup; NULL: none */
  char *outcome;                /* of the last backup; NULL: none has ended */

  /* The domain's thread only. */
  struct qmp *qmp;              /* NULL: not connected */
  int64_t qmp_used;             /* when, in now_ms () */
  struct catalog *catalog;      /* NULL: not loaded */
  struct backup *backup;        /* NULL: none */
  int64_t retry_at;             /* next try to connect again; 0: not lost */
  enum backup_state told_state; /* the event that was sent last */
  int64_t expire_again_at;      /* see domain_backup_watch */
  bool recovery_due;            /* a journal of an earlier daemon is there */
  int64_t thaw_again_at;        /* see thaw_leftover */
  int64_t recover_at;           /* next try to undo that, in now_ms () */
  struct process_child *revived_sink;   /* for that; NULL: none */
  bool removed;

  /* Of domain-registry.c, under its lock. */
  unsigned users;               /* who holds it, and the list */
  bool adding;                  /* its name and socket are taken, no more */
};

/* The last thing a request or a tick does: what others may see. */
void domain_publish (struct domain *domain);

#endif
