# SPDX-License-Identifier: LGPL-2.1-or-later
"""What pullback's behaviour tests are written with.

    from pullbacktest import main, VM, Disk, Daemon

    def test(t):
        vm = VM(t, [Disk("vda", "raw", 64 * MIB)])
        ...

    main(test)
"""

from .chains import LAYOUTS, chain, scribble
from .clients import (MIB, GIB, TIB, compare, dirty_map, extents, nbdcopy,
                      patch, pull_dirty, run, same)
from .context import Context, main
from .daemon import Daemon
from .migration import (Destination, incremental_there, migrate, migrate_well,
                        switch_on, take_checkpoints)
from .outcome import Failed, Skip, need, need_programs, wait_until
from .processes import alive, kill
from .qmp import Qmp, QmpError
from .scenario import (check_disk_fields, freeze, pull_onto_copies, start_load,
                       stop_load)
from .storagedaemon import March, StorageDaemon
from .vm import VM, Disk

__all__ = ["MIB", "GIB", "TIB", "compare", "dirty_map", "extents", "nbdcopy",
           "patch", "pull_dirty", "run", "same", "Context", "main", "Daemon",
           "Failed", "Skip", "need", "need_programs", "wait_until", "alive",
           "kill", "Qmp", "QmpError", "check_disk_fields", "freeze",
           "start_load", "stop_load", "March", "StorageDaemon", "VM", "Disk",
           "Destination", "incremental_there", "migrate", "migrate_well",
           "switch_on", "take_checkpoints", "pull_onto_copies", "LAYOUTS", "chain", "scribble"]
