#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""fio's nbd engine reads, and verifies what it wrote to the upstream disk."""

from pullbacktest import MIB, Skip, main, need_programs, run
from pullbacktest.gateway import Stage

def test(t):
    need_programs("fio", "nbdkit")
    if "nbd" not in run("fio", "--enghelp").stdout:
        raise Skip("fio has no nbd engine")
    stage = Stage(t)
    stage.start()
    common = ["fio", "--name=t", "--size=16m", "--bs=64k", "--verify=crc32c",
              "--output=/dev/null", "--aux-path=" + stage.folder]
    run(*common, "--rw=write", "--do_verify=0", "--ioengine=psync",
        "--verify_state_save=0", "--filename=" + stage.image(), timeout=60)
    run(*common, "--rw=read", "--ioengine=nbd", "--iodepth=16",
        "--uri=" + stage.uri(), timeout=60)
    # The same check on other bytes must fail, else it proves nothing.
    with open(stage.image(), "r+b") as f:
        f.seek(MIB + 1000)
        f.write(b"wrong")
    broken = run(*common, "--rw=read", "--ioengine=nbd",
                 "--uri=" + stage.uri(), check=False, timeout=60)
    assert broken.returncode != 0, "fio did not verify"


main(test)
