/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The commands.  This table alone says which verbs and arguments exist: of it come
 * the structs that requests are decoded into (control-commands.h), the names of the
 * functions that carry them out (requests.h) and print their replies (cli-view.h),
 * command line, help and completion; a test compares the manual pages with it.
 *
 * COMMAND (id, verb, kind, help)
 *   ARGUMENT (field, wire name, CLI option, type, flags, value, help)
 *   OPTION (field, name, type, value, help)    called the same in both places
 *   FLAG (field, name, help)                   the same, true or false
 * END_COMMAND
 *
 * Kinds and types: see enum control_kind and enum control_type.  Flags: REQUIRED,
 * POSITIONAL (given without its option on the command line), NEW (a name of nothing
 * that is there already), 0.  A value of words with "|" between: one of these.  No
 * include guard: included with COMMAND defined, and with ARGUMENT and END_COMMAND where these
 * matter; all three are undefined at the end. */

#ifndef ARGUMENT
#define ARGUMENT(...)
#endif
#ifndef END_COMMAND
#define END_COMMAND
#endif

#define OPTION(field, name, type, value, help) \
  ARGUMENT (field, name, name, type, 0, value, help)
#define FLAG(field, name, help) ARGUMENT (field, name, name, BOOL, 0, NULL, help)

#define THE_DOMAIN \
  ARGUMENT (domain, "domain", "domain", DOMAIN, REQUIRED | POSITIONAL, "DOMAIN", \
            "the domain")
#define THE_CHECKPOINT \
  ARGUMENT (checkpoint, "checkpoint", "checkpoint", CHECKPOINT, \
            REQUIRED | POSITIONAL, "CHECKPOINT", "the checkpoint")
#define THE_RESTORE \
  ARGUMENT (name, "name", "name", RESTORE, REQUIRED | POSITIONAL, "NAME", \
            "the restore")
#define THE_LIBVIRT \
  OPTION (libvirt, "libvirt", TEXT, "URI", \
          "it is libvirt's, which is at URI, such as qemu:///system")
#define THE_QMP \
  OPTION (qmp, "qmp", PATH, "PATH", \
          "QMP socket of QEMU or of qemu-storage-daemon, if not libvirt's")
#define THE_AGENT \
  OPTION (agent, "agent", PATH, "PATH", \
          "socket of the QEMU guest agent, for --quiesce")

/* What backup-begin and run both take. */
#define BACKUP_ARGUMENTS \
  ARGUMENT (checkpoint, "checkpoint", "checkpoint", CHECKPOINT, NEW, "NAME", \
            "create this checkpoint, for a later incremental") \
  OPTION (incremental, "incremental", CHECKPOINT, "NAME", \
          "also export what changed since this checkpoint") \
  ARGUMENT (bases, "bases", "base", CHECKPOINTS, 0, "NAME", \
            "also show what changed since this one; may repeat") \
  FLAG (all_bases, "all-bases", \
        "also show what changed since every checkpoint") \
  ARGUMENT (disks, "disks", "disk", DISKS, 0, "NAME[=NODE]", \
            "only this disk; may repeat (default: all that can be)") \
  FLAG (strict, "strict", "fail rather than fall back to a full backup") \
  OPTION (tcp, "tcp", TCP, "[ADDRESS:]PORT", \
          "serve TCP, not a unix socket (not encrypted; default loopback)") \
  ARGUMENT (consumer, "consumer", "consumer", CHECKPOINT, NEW, "NAME", \
            "who the checkpoint belongs to (default: default)") \
  FLAG (quiesce, "quiesce", \
        "freeze the guest's file systems while the point in time is made") \
  OPTION (on_migrate, "on-migrate", TEXT, "abort-backup|refuse", \
          "when the machine is migrated: give up, or refuse that") \
  OPTION (pace, "pace", PACE, "guest-first|off", \
          "let the guest's disk work go first (default), or not") \
  OPTION (max_rate, "max-rate", BYTES, "SIZE", \
          "show clients at most so many bytes per second, such as 50M") \
  OPTION (scratch_limit, "scratch-limit", BYTES, "SIZE", \
          "give the backup up rather than keep more old data than this") \
  FLAG (consume, "consume", \
        "clients may give back what they have read: trim it, then it is gone")

COMMAND (run, "run", LOCAL,
         "Back up one virtual machine without a daemon to set up")
  ARGUMENT (libvirt_domain, "libvirt-domain", "libvirt-domain", TEXT, POSITIONAL,
            "NAME", "its name or UUID, if it is libvirt's")
  THE_LIBVIRT
  THE_QMP
  BACKUP_ARGUMENTS
  THE_AGENT
  OPTION (state_dir, "state-dir", PATH, "DIR",
          "keep checkpoints here (one folder per virtual machine)")
  OPTION (scratch_dir, "scratch-dir", PATH, "DIR",
          "old data of the running backup goes here")
  OPTION (run, "run", TEXT, "CMD",
          "shell command to run, then commit (abort if it fails)")
END_COMMAND

COMMAND (domain_add, "domain-add", REGISTRY,
         "Register a virtual machine, by libvirt or by its QMP socket")
  ARGUMENT (name, "name", "name", DOMAIN, POSITIONAL | NEW, "NAME",
            "name to know it by")
  THE_LIBVIRT
  OPTION (libvirt_domain, "libvirt-domain", TEXT, "NAME",
          "its name or UUID there, if not NAME")
  FLAG (all, "all", "all that libvirt has, by their names there")
  OPTION (match, "match", TEXT, "GLOB",
          "of these only such as are called so: 'web*'")
  THE_QMP
  ARGUMENT (disks, "disks", "disk", DISKS, 0, "NAME[=NODE]",
            "call the block node NODE disk NAME; may repeat")
  THE_AGENT
  OPTION (xml, "xml", XML, "FILE",
          "name the disks as in this <domain> (virsh dumpxml)")
END_COMMAND

COMMAND (domain_remove, "domain-remove", REGISTRY,
         "Forget a virtual machine; nothing is changed in it")
  ARGUMENT (name, "name", "name", DOMAIN, REQUIRED | POSITIONAL, "NAME",
            "the domain")
  FLAG (checkpoints_metadata, "checkpoints-metadata",
        "also forget its checkpoints (their bitmaps stay in QEMU)")
END_COMMAND

COMMAND (domain_list, "domain-list", REGISTRY,
         "List the registered virtual machines")
END_COMMAND

COMMAND (domain_info, "domain-info", QUICK,
         "Show the disks and bitmaps of a running virtual machine")
  ARGUMENT (name, "name", "name", DOMAIN, REQUIRED | POSITIONAL, "NAME",
            "the domain")
END_COMMAND

COMMAND (backup_begin, "backup-begin", BEGINNING,
         "Freeze a point in time and export it over NBD")
  THE_DOMAIN
  ARGUMENT (backup_xml, "backup-xml", "backupxml", XML, POSITIONAL, "FILE",
            "what to back up, as libvirt's <domainbackup mode='pull'>")
  ARGUMENT (checkpoint_xml, "checkpoint-xml", "checkpointxml", XML, POSITIONAL,
            "FILE", "checkpoint to create, as libvirt's <domaincheckpoint>")
  BACKUP_ARGUMENTS
  OPTION (agent, "agent", PATH, "PATH",
          "socket of the guest agent, if not that of domain-add")
  OPTION (ttl, "ttl", SECONDS, "SECONDS",
          "abort the backup after this time (0: never)")
  OPTION (idle_timeout, "idle-timeout", SECONDS, "SECONDS",
          "abort it when no client has read for so long (0: never)")
END_COMMAND

COMMAND (backup_commit, "backup-commit", ENDING,
         "End a backup whose data has arrived; keep its checkpoint")
  THE_DOMAIN
END_COMMAND

COMMAND (backup_abort, "backup-abort", ENDING,
         "End a backup and drop its checkpoint; no change gets lost")
  THE_DOMAIN
END_COMMAND

COMMAND (backup_keepalive, "backup-keepalive", QUICK,
         "Restart the idle timeout of a backup")
  THE_DOMAIN
END_COMMAND

COMMAND (backup_info, "backup-info", REGISTRY,
         "Show the running backup of a domain")
  THE_DOMAIN
  FLAG (progress, "progress", "only how much of it clients have")
END_COMMAND

COMMAND (backup_dumpxml, "backup-dumpxml", QUICK,
         "Print the running backup as <domainbackup> XML")
  THE_DOMAIN
END_COMMAND

COMMAND (backup_list, "backup-list", REGISTRY,
         "List the running backups of all domains, or one's that ended")
  ARGUMENT (domain, "domain", "domain", DOMAIN, POSITIONAL, "DOMAIN",
            "the domain, with --history")
  FLAG (history, "history", "the backups that have ended, the newest first")
END_COMMAND

COMMAND (checkpoint_create, "checkpoint-create", QUICK,
         "Start to follow changes from now, without a backup")
  THE_DOMAIN
  ARGUMENT (checkpoint, "checkpoint", "checkpoint", CHECKPOINT,
            POSITIONAL | NEW, "CHECKPOINT",
            "its name (default: the time, in seconds)")
  OPTION (description, "description", TEXT, "TEXT", "what it is for")
  ARGUMENT (disks, "disks", "disk", DISKS, 0, "NAME[=NODE]",
            "only this disk; may repeat (default: all that can be)")
  ARGUMENT (consumer, "consumer", "consumer", CHECKPOINT, NEW, "NAME",
            "who it belongs to (default: default)")
  ARGUMENT (checkpoint_xml, "checkpoint-xml", "xmlfile", XML, 0, "FILE",
            "as this <domaincheckpoint> says")
  FLAG (redefine, "redefine",
        "with --xmlfile: only make it known, its bitmaps are there")
  FLAG (redefine_validate, "redefine-validate",
        "with --redefine: see that they are")
  FLAG (quiesce, "quiesce", "freeze the guest's file systems meanwhile")
  THE_AGENT
END_COMMAND

COMMAND (checkpoint_create_as, "checkpoint-create-as", QUICK,
         "The same, as virsh has its options")
  THE_DOMAIN
  ARGUMENT (checkpoint, "checkpoint", "name", CHECKPOINT,
            POSITIONAL | NEW, "NAME",
            "its name (default: the time, in seconds)")
  ARGUMENT (description, "description", "description", TEXT, POSITIONAL,
            "DESCRIPTION", "what it is for")
  ARGUMENT (diskspecs, "diskspecs", "diskspec", TEXTS, 0,
            "DISK[,checkpoint=no|bitmap][,bitmap=NAME]",
            "only this disk; may repeat")
  FLAG (print_xml, "print-xml", "print the <domaincheckpoint> and do nothing")
  ARGUMENT (consumer, "consumer", "consumer", CHECKPOINT, NEW, "NAME",
            "who it belongs to (default: default)")
  FLAG (quiesce, "quiesce", "freeze the guest's file systems meanwhile")
  THE_AGENT
END_COMMAND

COMMAND (checkpoint_delete, "checkpoint-delete", QUICK,
         "Delete a checkpoint; older ones keep all changes")
  THE_DOMAIN
  THE_CHECKPOINT
  FLAG (children, "children", "also delete all that descend from it")
  FLAG (children_only, "children-only",
        "delete all that descend from it, but not itself")
  FLAG (metadata, "metadata",
        "forget it, but leave its bitmaps in QEMU as they are")
  FLAG (bitmaps, "bitmaps", "remove the bitmaps that a forgotten one has left")
  ARGUMENT (consumer, "consumer", "consumer", CHECKPOINT, NEW, "NAME",
            "who it belongs to (default: default)")
END_COMMAND

COMMAND (checkpoint_list, "checkpoint-list", QUICK,
         "List the checkpoints of a domain, oldest first")
  THE_DOMAIN
  ARGUMENT (from, "from", "from", CHECKPOINT, POSITIONAL, "CHECKPOINT",
            "only children of this one")
  FLAG (parent, "parent", "show each one's parent")
  FLAG (roots, "roots", "only those without a parent")
  FLAG (leaves, "leaves", "only those without children")
  FLAG (no_leaves, "no-leaves", "only those with children")
  FLAG (tree, "tree", "draw the tree of names")
  ARGUMENT (names, "names", "name", BOOL, 0, NULL, "only names, one per line")
  FLAG (topological, "topological",
        "parents before children, which is always so")
  FLAG (descendants, "descendants", "with --from: children's children too")
  ARGUMENT (consumer, "consumer", "consumer", CHECKPOINT, NEW, "NAME",
            "only those of this consumer")
END_COMMAND

COMMAND (checkpoint_info, "checkpoint-info", QUICK, "Show one checkpoint")
  THE_DOMAIN
  THE_CHECKPOINT
END_COMMAND

COMMAND (checkpoint_parent, "checkpoint-parent", QUICK,
         "Print the name of a checkpoint's parent")
  THE_DOMAIN
  THE_CHECKPOINT
END_COMMAND

COMMAND (checkpoint_dumpxml, "checkpoint-dumpxml", QUICK,
         "Print one checkpoint as <domaincheckpoint> XML")
  THE_DOMAIN
  THE_CHECKPOINT
  FLAG (no_domain, "no-domain", "without <domain>")
  FLAG (size, "size", "with the bytes that changed since then")
END_COMMAND

COMMAND (restore_begin, "restore-begin", REGISTRY,
         "Export disks that no machine uses, for clients to write them back")
  ARGUMENT (name, "name", "name", DOMAIN, POSITIONAL, "NAME",
            "the domain; with --image any name (default: the first file's, up to its first dot)")
  ARGUMENT (images, "images", "image", IMAGES, 0, "[DISK=]FILE",
            "image or block device; may repeat (DISK default: vda, vdb ...)")
  ARGUMENT (disks, "disks", "disk", DISKS, 0, "NAME[=NODE]",
            "of the domain only this disk; may repeat (default: all that can be)")
  ARGUMENT (as, "as", "as", RESTORE, NEW, "NAME",
            "make new images, of a new machine; with it --disk is NAME[=SIZE]")
  OPTION (folder, "folder", PATH, "DIR", "with --as: the images are made here")
  OPTION (xml, "xml", XML, "FILE",
          "with --as: the machine's <domain> (virsh dumpxml), if it is no more")
  FLAG (define, "define",
        "with --as: at commit define the machine, rather than write its XML")
  THE_LIBVIRT
  OPTION (format, "format", TEXT, "FORMAT",
          "the images exist, and are raw, qcow2 ...")
  OPTION (create, "create", TEXT, "raw|qcow2",
          "the images do not exist: make them")
  OPTION (size, "size", BYTES, "SIZE",
          "how large the disk is to be, or is, such as 64G")
  ARGUMENT (options, "options", "option", TEXTS, 0, "KEY=VALUE",
            "with --create: as -o of qemu-img; may repeat")
  OPTION (since, "since", CHECKPOINT, "CHECKPOINT",
          "qcow2 images: tell clients what has changed since, for them to write")
  ARGUMENT (differing_from, "differing-from", "differing-from", TEXTS, 0,
            "[DISK=]URI", "write what differs from this NBD export; may repeat")
  FLAG (verify, "verify",
        "with --differing-from: read again what was written, and compare")
  FLAG (instant, "instant",
        "show --source at once; its data comes into new images later")
  ARGUMENT (sources, "sources", "source", SOURCES, 0, "[DISK=]FILE|URI",
            "with --instant: the backup, a file or an NBD export; may repeat")
  OPTION (source_format, "source-format", TEXT, "FORMAT",
          "what sources are that are files: raw, qcow2 ...")
  OPTION (max_rate, "max-rate", BYTES, "SIZE",
          "with --instant: move this per second and disk (default: 100M)")
  OPTION (tcp, "tcp", TCP, "[ADDRESS:]PORT",
          "serve TCP, not a unix socket (not encrypted; default loopback)")
END_COMMAND

COMMAND (restore_commit, "restore-commit", REGISTRY,
         "End a restore whose data is written: the images are whole")
  THE_RESTORE
END_COMMAND

COMMAND (restore_abort, "restore-abort", REGISTRY,
         "End a restore and drop its new images")
  THE_RESTORE
  FLAG (forget, "forget",
        "do not say any more that an image is half restored")
END_COMMAND

COMMAND (restore_move, "restore-move", REGISTRY,
         "Pause the move of an instant restore's data, or let it go on")
  THE_RESTORE
  FLAG (pause, "pause", "it waits until restore-move without this")
  OPTION (max_rate, "max-rate", BYTES, "SIZE",
          "move this per second and disk from now on")
END_COMMAND

COMMAND (restore_info, "restore-info", REGISTRY, "Show a restore")
  THE_RESTORE
END_COMMAND

COMMAND (restore_list, "restore-list", REGISTRY,
         "List the restores, also those that left an image half restored")
END_COMMAND

COMMAND (metrics, "metrics", REGISTRY,
         "Print all figures in Prometheus' text format")
END_COMMAND

COMMAND (version, "version", REGISTRY, "Show the daemon's version")
END_COMMAND

#undef COMMAND
#undef ARGUMENT
#undef END_COMMAND
#undef OPTION
#undef FLAG
#undef THE_DOMAIN
#undef THE_CHECKPOINT
#undef THE_RESTORE
#undef THE_LIBVIRT
#undef THE_QMP
#undef THE_AGENT
#undef BACKUP_ARGUMENTS
