#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Rule D7: a snapshot that was made, and its job dismissed, within the begin but before the
freeze changes nothing of what is frozen: the daemon hears of it while it begins, and the
backup is not broken for it when that is done."""

import os
import threading

from pullbacktest import (MIB, VM, Daemon, Disk, main, nbdcopy, same,
                          wait_until)


def save(vm):
    vm.qmp("snapshot-save", job_id="early", tag="early", vmstate="node-vda",
           devices=["node-vda"])

    def is_over():
        return [job for job in vm.qmp("query-jobs")
                if job["id"] == "early" and job["status"] == "concluded"]
    job = wait_until(is_over, 60, "snapshot-save")[0]
    vm.qmp("job-dismiss", id="early")
    return job.get("error")


def test(t):
    vm = VM(t, [Disk("vda", "qcow2", 16 * MIB)], boot=False)
    vm.resume()
    pause = t.path("pause")
    daemon = Daemon(t, env={"PULLBACK_PAUSE": pause})
    daemon.add(vm)
    with open(pause, "w") as stream:
        stream.write("flush-ahead")
    begun = []
    begin = threading.Thread(target=lambda: begun.append(daemon.begin()))
    begin.start()
    wait_until(lambda: os.path.exists(pause + ".paused"), 20, "no pause")
    problem = save(vm)
    t.check(problem is None, f"snapshot-save: {problem}")
    os.unlink(pause + ".paused")
    begin.join()
    disk = daemon.info()["disks"][0]
    t.check(disk["source"].startswith("qcow2"), f"{disk}")
    vm.pause()
    nbdcopy(begun[0]["disk"]["vda"]["uri"], t.path("copy"))
    same(vm.reference_copy("vda", t.path("reference")), t.path("copy"), "vda")
    vm.resume()
    daemon.commit()
    daemon.terminate()
    daemon.assert_nothing_left()


main(test)
