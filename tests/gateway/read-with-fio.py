#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""fio's nbd engine reads, and verifies what it wrote to the upstream disk."""

import subprocess

from gatewaytest import MIB, Stage, need, skip

need("fio", "nbdkit")
if "nbd" not in subprocess.run(["fio", "--enghelp"], check=False, text=True,
                               stdout=subprocess.PIPE).stdout:
    skip("fio has no nbd engine")
with Stage() as stage:
    stage.start()
    common = ["fio", "--name=t", "--size=16m", "--bs=64k", "--verify=crc32c",
              "--output=/dev/null", "--aux-path=" + stage.folder]
    subprocess.run([*common, "--rw=write", "--do_verify=0", "--ioengine=psync",
                    "--verify_state_save=0",
                    "--filename=" + stage.image()], check=True, timeout=60)
    subprocess.run([*common, "--rw=read", "--ioengine=nbd", "--iodepth=16",
                    "--uri=" + stage.uri()], check=True, timeout=60)
    # The same check on other bytes must fail, else it proves nothing.
    with open(stage.image(), "r+b") as f:
        f.seek(MIB + 1000)
        f.write(b"wrong")
    broken = subprocess.run([*common, "--rw=read", "--ioengine=nbd",
                             "--uri=" + stage.uri()], check=False, timeout=60,
                            stderr=subprocess.DEVNULL)
    assert broken.returncode != 0, "fio did not verify"
