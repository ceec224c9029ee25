/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The control protocol's commands.  This table alone says which verbs and
 * arguments exist: the daemon checks requests by it, the CLI parses, explains
 * and completes by it, and a test compares the manual pages with it.
 *
 * COMMAND (verb, reply, help)
 *   ARGUMENT (wire name, CLI option, type, flags, value, help)
 * END_COMMAND
 *
 * Types: see enum control_type.  Flags: REQUIRED, POSITIONAL (given without
 * its option on the command line), 0.  No include guard: included with the
 * three macros defined. */

COMMAND ("domain-add", "{}",
         "Register a virtual machine by its QMP socket")
  ARGUMENT ("name", "name", DOMAIN, REQUIRED | POSITIONAL, "NAME",
            "name to know it by")
  ARGUMENT ("qmp", "qmp", PATH, REQUIRED, "PATH",
            "QMP socket of QEMU or of qemu-storage-daemon")
  ARGUMENT ("disks", "disk", DISKS, 0, "NAME[=NODE]",
            "call the block node NODE disk NAME; may repeat")
  ARGUMENT ("agent", "agent", PATH, 0, "PATH",
            "socket of the QEMU guest agent, for --quiesce")
  ARGUMENT ("xml", "xml", XML, 0, "FILE",
            "name the disks as in this <domain> (virsh dumpxml)")
END_COMMAND

COMMAND ("domain-remove", "{}",
         "Forget a virtual machine; nothing is changed in it")
  ARGUMENT ("name", "name", DOMAIN, REQUIRED | POSITIONAL, "NAME",
            "the domain")
  ARGUMENT ("checkpoints-metadata", "checkpoints-metadata", BOOL, 0, NULL,
            "also forget its checkpoints (their bitmaps stay in QEMU)")
END_COMMAND

COMMAND ("domain-list", "{\"domains\": [...]}",
         "List the registered virtual machines")
END_COMMAND

COMMAND ("domain-info", "{\"name\", \"qmp\", \"disks\": [...]}",
         "Show the disks and bitmaps of a running virtual machine")
  ARGUMENT ("name", "name", DOMAIN, REQUIRED | POSITIONAL, "NAME",
            "the domain")
END_COMMAND

COMMAND ("backup-begin", "{\"domain\", \"state\", \"disks\": [...]}",
         "Freeze a point in time and export it over NBD")
  ARGUMENT ("domain", "domain", DOMAIN, REQUIRED | POSITIONAL, "DOMAIN",
            "the domain")
  ARGUMENT ("backup-xml", "backupxml", XML, POSITIONAL, "FILE",
            "what to back up, as libvirt's <domainbackup mode='pull'>")
  ARGUMENT ("checkpoint-xml", "checkpointxml", XML, POSITIONAL, "FILE",
            "checkpoint to create, as libvirt's <domaincheckpoint>")
  ARGUMENT ("checkpoint", "checkpoint", CHECKPOINT, 0, "NAME",
            "create this checkpoint, for a later incremental")
  ARGUMENT ("incremental", "incremental", CHECKPOINT, 0, "NAME",
            "also export what changed since this checkpoint")
  ARGUMENT ("bases", "base", CHECKPOINTS, 0, "NAME",
            "also show what changed since this one; may repeat")
  ARGUMENT ("all-bases", "all-bases", BOOL, 0, NULL,
            "also show what changed since every checkpoint")
  ARGUMENT ("disks", "disk", DISKS, 0, "NAME[=NODE]",
            "only this disk; may repeat (default: all writable disks)")
  ARGUMENT ("strict", "strict", BOOL, 0, NULL,
            "fail rather than fall back to a full backup")
  ARGUMENT ("tcp", "tcp", TCP, 0, "[ADDRESS:]PORT",
            "serve TCP, not a unix socket (not encrypted; default loopback)")
  ARGUMENT ("consumer", "consumer", CHECKPOINT, 0, "NAME",
            "who the checkpoint belongs to (default: default)")
  ARGUMENT ("quiesce", "quiesce", BOOL, 0, NULL,
            "freeze the guest's file systems while the point in time is made")
  ARGUMENT ("agent", "agent", PATH, 0, "PATH",
            "socket of the guest agent, if not that of domain-add")
  ARGUMENT ("ttl", "ttl", SECONDS, 0, "SECONDS",
            "abort the backup after this time (0: never)")
  ARGUMENT ("idle-timeout", "idle-timeout", SECONDS, 0, "SECONDS",
            "abort it when no client has read for so long (0: never)")
END_COMMAND

COMMAND ("backup-commit", "{\"domain\", \"checkpoint\"}",
         "End a backup whose data has arrived; keep its checkpoint")
  ARGUMENT ("domain", "domain", DOMAIN, REQUIRED | POSITIONAL, "DOMAIN",
            "the domain")
END_COMMAND

COMMAND ("backup-abort", "{\"domain\", \"checkpoint\"}",
         "End a backup and drop its checkpoint; no change gets lost")
  ARGUMENT ("domain", "domain", DOMAIN, REQUIRED | POSITIONAL, "DOMAIN",
            "the domain")
END_COMMAND

COMMAND ("backup-keepalive", "{\"domain\", \"ttl-left\", \"idle-left\"}",
         "Restart the idle timeout of a backup")
  ARGUMENT ("domain", "domain", DOMAIN, REQUIRED | POSITIONAL, "DOMAIN",
            "the domain")
END_COMMAND

COMMAND ("backup-info", "{\"domain\", \"state\", \"disks\": [...]}",
         "Show the running backup of a domain")
  ARGUMENT ("domain", "domain", DOMAIN, REQUIRED | POSITIONAL, "DOMAIN",
            "the domain")
END_COMMAND

COMMAND ("backup-dumpxml", "{\"xml\"}",
         "Print the running backup as <domainbackup> XML")
  ARGUMENT ("domain", "domain", DOMAIN, REQUIRED | POSITIONAL, "DOMAIN",
            "the domain")
END_COMMAND

COMMAND ("backup-list", "{\"backups\": [...]}",
         "List the running backups of all domains")
END_COMMAND

COMMAND ("checkpoint-create", "{\"name\", \"parent\", \"disks\": [...]}",
         "Start to follow changes from now, without a backup")
  ARGUMENT ("domain", "domain", DOMAIN, REQUIRED | POSITIONAL, "DOMAIN",
            "the domain")
  ARGUMENT ("checkpoint", "checkpoint", CHECKPOINT, POSITIONAL, "CHECKPOINT",
            "its name (default: the time, in seconds)")
  ARGUMENT ("description", "description", TEXT, 0, "TEXT",
            "what it is for")
  ARGUMENT ("disks", "disk", DISKS, 0, "NAME[=NODE]",
            "only this disk; may repeat (default: all writable disks)")
  ARGUMENT ("consumer", "consumer", CHECKPOINT, 0, "NAME",
            "who it belongs to (default: default)")
  ARGUMENT ("checkpoint-xml", "xmlfile", XML, 0, "FILE",
            "as this <domaincheckpoint> says")
  ARGUMENT ("redefine", "redefine", BOOL, 0, NULL,
            "with --xmlfile: only make it known, its bitmaps are there")
  ARGUMENT ("redefine-validate", "redefine-validate", BOOL, 0, NULL,
            "with --redefine: see that they are")
  ARGUMENT ("quiesce", "quiesce", BOOL, 0, NULL,
            "freeze the guest's file systems meanwhile")
  ARGUMENT ("agent", "agent", PATH, 0, "PATH",
            "socket of the QEMU guest agent, for --quiesce")
END_COMMAND

COMMAND ("checkpoint-create-as", "{\"name\", \"parent\", \"disks\": [...]}",
         "The same, as virsh has its options")
  ARGUMENT ("domain", "domain", DOMAIN, REQUIRED | POSITIONAL, "DOMAIN",
            "the domain")
  ARGUMENT ("checkpoint", "name", CHECKPOINT, POSITIONAL, "NAME",
            "its name (default: the time, in seconds)")
  ARGUMENT ("description", "description", TEXT, POSITIONAL, "DESCRIPTION",
            "what it is for")
  ARGUMENT ("diskspecs", "diskspec", TEXTS, 0,
            "DISK[,checkpoint=no|bitmap][,bitmap=NAME]",
            "only this disk; may repeat")
  ARGUMENT ("print-xml", "print-xml", BOOL, 0, NULL,
            "print the <domaincheckpoint> and do nothing")
  ARGUMENT ("consumer", "consumer", CHECKPOINT, 0, "NAME",
            "who it belongs to (default: default)")
  ARGUMENT ("quiesce", "quiesce", BOOL, 0, NULL,
            "freeze the guest's file systems meanwhile")
  ARGUMENT ("agent", "agent", PATH, 0, "PATH",
            "socket of the QEMU guest agent, for --quiesce")
END_COMMAND

COMMAND ("checkpoint-delete", "{\"domain\", \"deleted\": [...]}",
         "Delete a checkpoint; older ones keep all changes")
  ARGUMENT ("domain", "domain", DOMAIN, REQUIRED | POSITIONAL, "DOMAIN",
            "the domain")
  ARGUMENT ("checkpoint", "checkpoint", CHECKPOINT, REQUIRED | POSITIONAL,
            "CHECKPOINT", "the checkpoint")
  ARGUMENT ("children", "children", BOOL, 0, NULL,
            "also delete all that descend from it")
  ARGUMENT ("children-only", "children-only", BOOL, 0, NULL,
            "delete all that descend from it, but not itself")
  ARGUMENT ("metadata", "metadata", BOOL, 0, NULL,
            "forget it, but leave its bitmaps in QEMU as they are")
  ARGUMENT ("bitmaps", "bitmaps", BOOL, 0, NULL,
            "remove the bitmaps that a forgotten one has left")
  ARGUMENT ("consumer", "consumer", CHECKPOINT, 0, "NAME",
            "who it belongs to (default: default)")
END_COMMAND

COMMAND ("checkpoint-list", "{\"checkpoints\": [...]}",
         "List the checkpoints of a domain, oldest first")
  ARGUMENT ("domain", "domain", DOMAIN, REQUIRED | POSITIONAL, "DOMAIN",
            "the domain")
  ARGUMENT ("from", "from", CHECKPOINT, POSITIONAL, "CHECKPOINT",
            "only children of this one")
  ARGUMENT ("parent", "parent", BOOL, 0, NULL,
            "show each one's parent")
  ARGUMENT ("roots", "roots", BOOL, 0, NULL,
            "only those without a parent")
  ARGUMENT ("leaves", "leaves", BOOL, 0, NULL,
            "only those without children")
  ARGUMENT ("no-leaves", "no-leaves", BOOL, 0, NULL,
            "only those with children")
  ARGUMENT ("tree", "tree", BOOL, 0, NULL,
            "draw the tree of names")
  ARGUMENT ("names", "name", BOOL, 0, NULL,
            "only names, one per line")
  ARGUMENT ("topological", "topological", BOOL, 0, NULL,
            "parents before children, which is always so")
  ARGUMENT ("descendants", "descendants", BOOL, 0, NULL,
            "with --from: children's children too")
  ARGUMENT ("consumer", "consumer", CHECKPOINT, 0, "NAME",
            "only those of this consumer")
END_COMMAND

COMMAND ("checkpoint-info", "{\"name\", \"parent\", \"disks\": [...]}",
         "Show one checkpoint")
  ARGUMENT ("domain", "domain", DOMAIN, REQUIRED | POSITIONAL, "DOMAIN",
            "the domain")
  ARGUMENT ("checkpoint", "checkpoint", CHECKPOINT, REQUIRED | POSITIONAL,
            "CHECKPOINT", "the checkpoint")
END_COMMAND

COMMAND ("checkpoint-parent", "{\"parent\"}",
         "Print the name of a checkpoint's parent")
  ARGUMENT ("domain", "domain", DOMAIN, REQUIRED | POSITIONAL, "DOMAIN",
            "the domain")
  ARGUMENT ("checkpoint", "checkpoint", CHECKPOINT, REQUIRED | POSITIONAL,
            "CHECKPOINT", "the checkpoint")
END_COMMAND

COMMAND ("checkpoint-dumpxml", "{\"xml\"}",
         "Print one checkpoint as <domaincheckpoint> XML")
  ARGUMENT ("domain", "domain", DOMAIN, REQUIRED | POSITIONAL, "DOMAIN",
            "the domain")
  ARGUMENT ("checkpoint", "checkpoint", CHECKPOINT, REQUIRED | POSITIONAL,
            "CHECKPOINT", "the checkpoint")
  ARGUMENT ("no-domain", "no-domain", BOOL, 0, NULL,
            "without <domain>")
  ARGUMENT ("size", "size", BOOL, 0, NULL,
            "with the bytes that changed since then")
END_COMMAND

COMMAND ("version", "{\"version\", \"pid\"}",
         "Show the daemon's version")
END_COMMAND
