#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every verb and option of the command table is in the manual pages, where
they describe that verb, and what they describe exists."""

import glob
import os
import re

from pullbacktest import main, need, run

SOURCE = os.environ["PULLBACK_SRCDIR"]


def page(path):
    with open(os.path.join(SOURCE, path)) as f:
        return f.read()


def same(t, what, have, want):
    """Says only where the two sets differ."""
    t.check(set(have) == set(want),
            f"{what} lacks {sorted(set(want) - set(have))}, and has in vain "
            f"{sorted(set(have) - set(want))}")


def chapter(text, name):
    return re.search(rf"^=head1 {name}$(.*?)^=head1 ", text, re.M | re.S)[1]


def sections(text, heading):
    """{name: text} of the chapter on commands."""
    parts = re.split(heading, chapter(text, "COMMANDS"), flags=re.M)
    return dict(zip(parts[1::2], parts[2::2]))


def options_described(section, options):
    """Those of its heading and items, of a paragraph that starts with them,
    and those of OPTIONS that the heading has as a mere word."""
    heading, text = section.split("\n", 1)
    starts = re.findall(r"^(?:=item |(?<=\n\n))(B<--.*?)(?:\.\s|\n\n)", text,
                        re.M | re.S)
    words = re.findall(r"[A-Z]+", re.sub(r"--[a-z-]+ \S+", "", heading))
    return {*re.findall(r"--[a-z-]+", heading + " ".join(starts)),
            *({f"--{word.lower()}" for word in words} & set(options))}


def commands_are_described(t, manual):
    said = run("pullback", "--help").stdout.partition("\nOptions:\n")[2]
    known = set(re.findall(r"^  (--[a-z-]+)", said, re.M))
    same(t, "pullback(1), of options of all commands,",
         re.findall(r"^=item .*B<(--[a-z-]+)>", chapter(manual, "OPTIONS"),
                    re.M), known)
    verbs = run("pullback", "--complete", "").stdout.split()
    described = sections(manual, r"^=head2 (\S+)")
    same(t, "pullback(1)", described, verbs)
    for verb in set(verbs) & set(described):
        options = run("pullback", "--complete", verb, "-").stdout.split()
        same(t, f"pullback(1) on {verb}",
             options_described(described[verb], options), options)
        known |= set(options)
    wrong = set(re.findall(r"B<(--[a-z-]+)>", manual)) - known
    t.check(not wrong, f"pullback(1) speaks of {sorted(wrong)}")


def read_table():
    """{verb: wire names of its arguments}, without what only the command line
    knows."""
    table = page("proto/control/control-commands.tbl.h")
    shared = dict(re.findall(r"^#define ([A-Z_]+) \\\n((?:.*\\\n)*.*\n)", table,
                             re.M))
    commands = {}
    for verb, kind, text in re.findall(
            r'^COMMAND \(\w+, "([a-z-]+)", ([A-Z]+),(.*?)^END_COMMAND', table,
            re.M | re.S):
        text = re.sub(r"^  ([A-Z_]+)$", lambda m: shared[m[1]], text, flags=re.M)
        if kind != "LOCAL":
            commands[verb] = re.findall(
                r'(?:ARGUMENT|OPTION|FLAG) \(\w+, "([a-z-]+)"', text)
    need("ttl" in commands["backup-begin"] and
         "strict" in commands["backup-begin"],
         f"the arguments are not found: {commands}")
    return commands


def protocol_is_described(t):
    protocol = page("proto/control/pullback-control-protocol.pod")
    commands = read_table()
    described = sections(protocol, r"^=item C<([a-z-]+)>$")
    same(t, "the protocol page", described, commands)
    for verb in set(commands) & set(described):
        for name in commands[verb]:
            t.check(f"C<{name}>" in described[verb],
                    f"the protocol page lacks {name} of {verb}")
    with open(os.path.join(SOURCE, "proto/base/failure.h")) as f:
        for name in re.findall(r'X \([A-Z_]+, "(\w+)"\)', f.read()):
            t.check(f"C<{name}>" in protocol,
                    f"the protocol page lacks {name}")


def read_events():
    """{event: (message id, members)}"""
    table = page("proto/control/control-events.tbl.h")
    record = re.search(r"#define RECORD((?:.*\\\n)*.*)", table)[1]
    table = table.replace("       RECORD)", record + ")")
    events = {name: (number, " ".join(re.findall(r'"([^"]*)"', members)).split())
              for name, number, members in re.findall(
                  r'^EVENT \((\w+), "(\w+)",\n *"[^"\n]*",((?:[^)])*)\)', table,
                  re.M)}
    need("reason" in events["BACKUP_BROKEN"][1] and
         "disks" in events["BACKUP_ENDED"][1], f"events are not found: {events}")
    return events


def journal_is_described(t):
    """Its fields, and the number of each event."""
    events, text = read_events(), page("docs/monitoring.md")
    fields = {"PULLBACK_DISK"}
    for _, members in events.values():
        fields |= {f"PULLBACK_{m.upper().replace('-', '_')}"
                   for m in members if m != "disks"}
    for path in "proto/base/log.c", "proto/control/control-events.c":
        fields |= set(re.findall(r'"(PULLBACK_[A-Z_]+[A-Z])"', page(path)))
        fields |= {"PULLBACK_" + name for name in re.findall(
            r'(?<!define )FIELD_PREFIX "([A-Z_]+)"', page(path))}
    same(t, "docs/monitoring.md", re.findall(r"`(PULLBACK_[A-Z_]+)`", text),
         fields)
    same(t, "docs/monitoring.md",
         re.findall(r"^\| `([A-Z_]+)` \| `([0-9a-f]{32})` \|$", text, re.M),
         [(name, number) for name, (number, _) in events.items()])


def events_are_described(t):
    """Each event of the table is on the page with its members, and each that
    the daemon's code names is in the table, and the other way round."""
    events = {name: members for name, (_, members) in read_events().items()}
    protocol = page("proto/control/pullback-control-protocol.pod")
    parts = re.split(r"^=item ([A-Z_]+)$", chapter(protocol, "EVENTS"),
                     flags=re.M)
    described = dict(zip(parts[1::2], parts[2::2]))
    same(t, "the protocol page", described, events)
    for event in set(events) & set(described):
        for name in events[event]:
            t.check(f"C<{name}>" in described[event],
                    f"the protocol page lacks {name} of {event}")
    sent = set()
    for path in glob.glob(os.path.join(SOURCE, "backupd/**/*.c"),
                          recursive=True):
        if not os.path.basename(path).startswith("test-"):
            sent |= set(re.findall(r'"((?:BACKUP|DOMAIN|GUEST|RESTORE)_[A-Z_]+)"',
                                   page(path)))
    same(t, "the code", sent, events)


def reasons_are_described(t, manual):
    """Why a backup is a full one: each literal with a dash in that file is a
    reason, and so is what a bitmap is marked lost with."""
    code = page("backupd/backup/backup-since.c")
    given = set(re.findall(r'"([a-z]+(?:-[a-z]+)+)"', code))
    for path in ("backupd/checkpoint/checkpoint-settle.c",
                 "backupd/checkpoint/checkpoint-delete.c"):
        marks = re.findall(r'(?:lost =|catalog_mark_disk)[^;]*"([a-z-]+)"',
                           page(path))
        t.check(marks, f"no marks are found in {path}")
        given |= set(marks)
    listed = re.search(r"^A full backup of a disk has one of these reasons:$"
                       r"(.*?)^=back$", manual, re.M | re.S)
    need(listed, "pullback(1) has no list of reasons")
    listed = set(re.findall(r"^=item C<([a-z-]+)>$", listed[1], re.M))
    t.check("disk-new" in given, f"the reasons are not found: {given}")
    same(t, "pullback(1), on reasons,", listed, given)


def test(t):
    manual = page("backupd/cli/pullback.pod")
    commands_are_described(t, manual)
    protocol_is_described(t)
    events_are_described(t)
    journal_is_described(t)
    reasons_are_described(t, manual)


main(test)
