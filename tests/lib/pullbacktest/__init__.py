# SPDX-License-Identifier: LGPL-2.1-or-later
"""What pullback's behaviour tests are written with.

    from pullbacktest import main, VM, Disk, Daemon

    def test(t):
        vm = VM(t, [Disk("vda", "raw", 64 * MIB)])
        ...

    main(test)
"""

from .context import Context, Failed, Skip, main, wait_until
from .clients import (MIB, GIB, TIB, compare, dirty_map, extents, nbdcopy,
                      patch, pull_dirty, run, same)
from .daemon import Daemon
from .qmp import Qmp, QmpError
from .scenario import (check_disk_fields, freeze, need, start_load,
                       stop_load)
from .storagedaemon import March, StorageDaemon
from .vm import VM, Disk

__all__ = ["Context", "Failed", "Skip", "main", "wait_until", "MIB", "GIB",
           "TIB", "compare", "dirty_map", "extents", "nbdcopy", "patch",
           "pull_dirty", "run", "same", "Daemon", "Qmp", "QmpError", "VM",
           "Disk", "check_disk_fields", "freeze", "need", "start_load",
           "stop_load", "March", "StorageDaemon"]
