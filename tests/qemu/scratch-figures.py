#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: waits
# mark: sanitizers
"""backup-info tells how much the guest's writes have pushed out, how many they
were and how long they waited: old data counts once, zeros take nothing, and a
sink that is started again goes on counting."""

from pullbacktest import MIB, VM, Daemon, Disk, kill, main, wait_until


def scratch(daemon):
    return daemon.info()["scratch"]


def seen(daemon, used, least):
    """Waits until so much is used; what is told then."""
    wait_until(lambda: scratch(daemon)["used"] >= used and
               scratch(daemon)["writes"] >= least, 10,
               lambda: f"{scratch(daemon)}, want {used}, {least} writes")
    return scratch(daemon)


def test(t):
    vm = VM(t, [Disk("vda", "raw", 64 * MIB), Disk("vdb", "raw", 64 * MIB)])
    daemon = Daemon(t)
    daemon.add(vm)
    vm.guest(f"write vda 0 {8 * MIB} 17")
    first = daemon.begin()["scratch"]
    t.check(first["used"] == first["writes"] == first["wait-ms"]["max"] == 0,
            f"at the begin: {first}")

    vm.guest(f"write vda {MIB} {2 * MIB} 18")
    one = seen(daemon, 2 * MIB, 1)
    t.check(one["used"] == 2 * MIB, f"after 2 MiB: {one}")
    t.check(one["writes"] <= 32, f"2 MiB took {one['writes']} writes")
    vm.guest(f"write vda {MIB} {2 * MIB} 19")           # pushed out already
    vm.guest(f"write vdb {8 * MIB} {MIB} 18")           # over zeros
    zeros = seen(daemon, 2 * MIB, one["writes"] + 1)
    t.check(zeros["used"] == 2 * MIB, f"zeros took {zeros}")

    old = daemon.pid_of("sink")
    kill(old)
    wait_until(lambda: daemon.pid_of("sink") not in (None, old), 10,
               "the sink was not started again")
    vm.guest(f"write vda {4 * MIB} {MIB} 18")
    last = seen(daemon, 3 * MIB, zeros["writes"] + 1)
    t.check(last["used"] == 3 * MIB, f"after the next sink's MiB: {last}")
    waits = last["wait-ms"]
    t.check(sum(w["count"] for w in waits["histogram"]) == last["writes"],
            f"the waits are not those of {last['writes']} writes: {waits}")
    t.check(0 < waits["p99"] <= waits["max"] < 30000, f"{waits}")
    t.check(waits["histogram"][-1]["le-ms"] is None, f"{waits}")
    text = daemon.pullback("backup-info", "vm1").stdout
    t.check("3 MiB, of" in text and "Writes waited:" in text, text)
    # QEMU connects again where it writes; the end would wait for that.
    vm.guest(f"write vdb 0 {MIB} 18")
    daemon.abort()
    daemon.assert_nothing_left()


main(test)
