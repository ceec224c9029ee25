/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One registered virtual machine: what its thread and those who ask it share.
 *
 * Threads: the domain's own (domain-thread.h), but for what says otherwise. */
#ifndef PULLBACK_DOMAIN_H
#define PULLBACK_DOMAIN_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include <json-c/json.h>

#include "backup.h"
#include "catalog.h"
#include "domain-folders.h"
#include "domain-registration.h"
#include "failure.h"
#include "qmp-names.h"
#include "qmp.h"

struct domain;

/* What a function does meanwhile to the domain's backup, for others: is its end
 * worth waiting for, and which state do they see? */
enum domain_doing {
  DOMAIN_QUICK,                 /* others wait for their turn, a little */
  DOMAIN_BEGINNING,             /* takes long; a backup is "beginning" */
  DOMAIN_ENDING                 /* takes long; the backup is "ending" */
};

/* What libvirt said last. */
enum domain_state {
  DOMAIN_STATE_UNKNOWN, DOMAIN_RUNS, DOMAIN_OFF,
  DOMAIN_UNDEFINED              /* libvirt has none of that UUID */
};

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
  struct domain_paths paths;
  int default_ttl, default_idle_timeout;        /* seconds; 0: none */

  /* Of domain_start and domain_join, in one thread. */
  pthread_t thread;
  bool started;
  int wake_fd;                  /* eventfd: look at request and stopping; -1: not started */

  pthread_mutex_t lock;         /* protects down to the next comment */
  pthread_cond_t changed;       /* request or ended changed */
  struct domain_request *request;       /* waiting or running; NULL: none */
  bool stopping;                /* asked to end */
  bool leaving;                 /* then what runs goes on without us */
  bool looked;                  /* at what an earlier daemon may have left running */
  bool ended;                   /* takes no requests any more */
  json_object *published;       /* of the backup; NULL: none */
  char *outcome;                /* of the last backup; NULL: none has ended */
  char *undo;                   /* why an interrupted one is not undone yet; NULL: none waits */
  json_object *last;            /* its record, as domain-history.h has it; NULL: none */
  int64_t committed_at;         /* when the last one that was did end; 0: none */
  bool connected;
  int64_t checkpoints;          /* -1: not known yet */
  bool frozen;                  /* the guest may be */
  enum domain_state state;      /* of one that is libvirt's */
  char *libvirt_name;           /* by which libvirt knows it now; NULL: not known */
  char *forgotten;              /* of one that runs and libvirt takes for off: a sentence; else NULL */

  /* The domain's thread only. */
  struct qmp *qmp;              /* NULL: not connected */
  int64_t qmp_used;             /* when, in now_ms () */
  bool kept;                    /* for a restore, which is told of its events and its end */
  struct xml_domain *live_xml;  /* libvirt's, as it was last; NULL: not read */
  struct catalog *catalog;      /* NULL: not loaded */
  struct backup *backup;        /* NULL: none */
  int64_t retry_at;             /* next try to connect again; 0: not lost */
  int64_t tick_at;              /* next look at the backup, in now_ms () */
  bool heard;                   /* an event came since the last one */
  enum backup_state told_state; /* the event that was sent last */
  char tag[QMP_TAG_SIZE];       /* of the backup that was begun last */
  int64_t begun;                /* its backup, in µs since 1970; 0: not here */
  int64_t expire_again_at;      /* see domain_backup_watch */
  bool recovery_due;            /* a journal of an earlier daemon is there */
  bool recovery_waits;          /* all of it is undone that needs no catalog */
  int64_t recover_at;           /* next try to undo that, in now_ms () */
  int64_t thaw_again_at;        /* and to thaw a guest that may be frozen */
  struct process_child *revived_sink;   /* for that; NULL: none */
  char *lost_reason;            /* outcome of one that could not be taken over */
  bool removed;
  bool handed_over;             /* also of who has joined the thread */

  /* Of domain-registry.c, under its lock. */
  unsigned users;               /* who holds it, and the list */
  bool adding;                  /* its name and socket are taken, no more */
};

/* REGISTRATION is taken over, FOLDERS only looked at.  The thread is not started. */
struct domain *domain_create (const struct domain_folders *folders,
                              struct domain_registration *registration);
/* The thread must not run. */
void domain_destroy (struct domain *domain);

/* From any thread. */
const char *domain_name (const struct domain *domain);
/* Where its QEMU is asked, for people: a path, or libvirt's URI. */
const char *domain_where (const struct domain *domain);

/* Is there a backup that the next daemon must undo, or go on with?  From any thread. */
bool domain_left_something (const struct domain *domain);

/* Its <domain>, borrowed; NULL: there is none.  The domain's thread only. */
const struct xml_domain *domain_xml (const struct domain *domain);

int domain_catalog_open (struct domain *domain, struct failure *why) WARN_UNUSED;

/* The last thing a request or a tick does: what others may see. */
void domain_publish (struct domain *domain);

/* From what was published, at once, from any thread.  New objects.  No backup: NULL
 * from domain_backup, "none" as "backup" in the summary. */
json_object *domain_summary (struct domain *domain);
json_object *domain_backup (struct domain *domain);

/* The same: "name", "connected", "frozen", "checkpoints" where it is known, "committed" (when, in
 * seconds since 1970) and "last" (a record) of backups that have ended, and "backup". */
json_object *domain_facts (struct domain *domain);

/* Its thread knows by now whether a backup goes on; waits up to DEADLINE_MS for that.  From
 * any thread. */
void domain_wait_looked (struct domain *domain, int64_t deadline_ms);
void domain_set_looked (struct domain *domain);

/* Sends EVENT of control-events.tbl.h with {"domain", KEY: TEXT}, or with DATA (taken over; NULL:
 * nothing) and "domain".  Any thread. */
void domain_emit (const struct domain *domain, const char *event, const char *key,
                  const char *text);
void domain_emit_data (const struct domain *domain, const char *event, json_object *data);

/* Told of these events, from the domains' threads; takes DATA over.  To be called
 * before the first domain is created. */
void domain_set_event_handler (void (*handler) (const char *event, json_object *data));

/* What an earlier life of the daemon knew of backups that have ended. */
void domain_read_history (struct domain *domain);

/* A backup is going to be begun, by the name of domain->tag; sends the event. */
void domain_note_begin (struct domain *domain, const struct arguments_backup_begin *given);
/* It is ready; INFO is of it. */
void domain_note_ready (struct domain *domain, json_object *info);
/* It never was: sends the event that it has ended, by WHY, and adds that to the history. */
void domain_note_failure (struct domain *domain, const struct failure *why);

/* The backup was begun by another daemon, and goes on: sends the event. */
void domain_tell_adopted (const struct domain *domain);

/* The backup has ended: sends the event, adds it to the history, and keeps OUTCOME ("expired:
 * its TTL of 60 s ran out") for domain_no_backup.  A journal that is left is for
 * domain-recovery.h. */
void domain_set_outcome (struct domain *domain, const char *outcome);

/* The same, where INFO (taken over; NULL: not known) is of that backup, and not what was published:
 * another daemon began it, and this one has undone it. */
void domain_note_end (struct domain *domain, json_object *info, const char *outcome);

/* An interrupted backup is not undone yet: REASON is a clause; NULL: none is left.  For
 * domain_no_backup. */
void domain_set_undo (struct domain *domain, const char *reason);

/* Fails with FAILURE_BACKUP_NOT_FOUND and says how the last backup ended, or that it waits to
 * be undone.  From any thread. */
int domain_no_backup (struct domain *domain, struct failure *why);

#endif
