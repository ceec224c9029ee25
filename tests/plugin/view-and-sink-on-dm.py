#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: slow
"""With Debian 12's own kernel, sink and view work on dm-crypt and on thin
volumes: image on the one and fleece store on the other, both ways round,
buffered and O_DIRECT.  (Both are devices that this kernel's io_uring cannot
read without waiting.)"""

import os

from pullbacktest import MIB, main
from pullbacktest.fleece import GRANULE, write_map, write_store
from pullbacktest.guestprogram import run_in_guest
from pullbacktest.nbdserver import PLUGIN

SIZE = 64 * GRANULE

SCRIPT = """
uname -r
size=$(stat -c %s image)
sectors=$((size / 512))

# There is no udev here to make the devices' nodes.
export DM_DISABLE_UDEV=1
# 32 MiB thin volume and 32 MiB of dm-crypt, each from a part of /dev/vda.
linear () { echo "0 $1 linear /dev/vda $2"; }
dmsetup create meta --table "$(linear 8192 0)"
dmsetup create data --table "$(linear 131072 8192)"
dmsetup create pool --table "0 131072 thin-pool /dev/mapper/meta \
    /dev/mapper/data 128 0 1 skip_block_zeroing"
dmsetup message pool 0 "create_thin 0"
dmsetup create thin --table "0 65536 thin /dev/mapper/pool 0"
key=000102030405060708090a0b0c0d0e0f000102030405060708090a0b0c0d0e1f
dmsetup create crypt \
    --table "0 65536 crypt aes-xts-plain64 $key 0 /dev/vda 139264"

serve ()
{
    local socket=$1
    shift
    nbdkit -f -U "$socket" /bin/nbdkit-pullback-plugin.so "$@" &
    while ! test -S "$socket"; do usleep 20000; done
}

# copy FROM TO: it is done in a second, or never.  Large requests are read by
# io_uring.
copy ()
{
    timeout 40 nbdcopy --request-size=1048576 "$1" "$2" \
        || { echo "$what: copy of $1 to $2 failed"; exit 1; }
}

# check IMAGE SCRATCH
check ()
{
    what="image on $1, fleece store on $2"
    device=/dev/mapper/$1
    umount /mnt 2>/dev/null || :
    mkfs.ext4 -q -F "/dev/mapper/$2"
    mount -t ext4 "/dev/mapper/$2" /mnt
    dd if=image of="$device" bs=65536 conv=fsync 2>/dev/null
    mkdir /mnt/mixed /mnt/stored
    cp mixed.data /mnt/mixed/vda.data
    cp mixed.present /mnt/mixed/vda.present
    cp empty.present /mnt/stored/vda.present
    truncate -s "$size" /mnt/stored/vda.data
    # What was written is read from the devices, not from the page cache.
    sync
    echo 3 >/proc/sys/vm/drop_caches
    serve /tmp/sink role=sink fleece=/mnt/stored disk=vda
    sink=$!
    copy other 'nbd+unix:///vda?socket=/tmp/sink'
    kill $sink
    wait $sink || :
    sync
    for direct in no yes; do
        for store in mixed stored; do
            echo 3 >/proc/sys/vm/drop_caches
            serve /tmp/view role=view fleece=/mnt/$store disk=vda \
                "direct=$device" direct-io=$direct
            view=$!
            copy 'nbd+unix:///vda?socket=/tmp/view' /tmp/copy
            head -c "$size" /tmp/copy | cmp - $store.want \
                || { echo "$what: $store, direct-io=$direct is wrong"; exit 1; }
            kill $view
            wait $view || :
            rm -f /tmp/view /tmp/copy
        done
    done
    rm -f /tmp/sink
    umount /mnt
    echo "right: $what"
}
check crypt thin
check thin crypt
"""


def write(path, data):
    with open(path, "wb") as stream:
        stream.write(data)


def test(t):
    image = t.random.randbytes(SIZE)
    other = t.random.randbytes(SIZE)
    folder = t.path("files")
    os.mkdir(folder)
    # Runs of granules of both kinds in each 256 KiB that a client asks for.
    present = {g: other[g * GRANULE:(g + 1) * GRANULE]
               for g in range(SIZE // GRANULE) if t.random.random() < 0.5}
    mixed = b"".join(present.get(g, image[g * GRANULE:(g + 1) * GRANULE])
                     for g in range(SIZE // GRANULE))
    write_store(folder, "mixed", SIZE, present)
    write_map(os.path.join(folder, "empty.present"), SIZE)
    for name, data in (("image", image), ("other", other),
                       ("mixed.want", mixed), ("stored.want", other)):
        write(os.path.join(folder, name), data)
    disk = t.path("disk")
    with open(disk, "wb") as stream:
        stream.truncate(128 * MIB)
    output = run_in_guest(
        t, SCRIPT, disks=[disk],
        programs=["nbdkit", "nbdcopy", "dmsetup", "mkfs.ext4", PLUGIN],
        modules=["dm-mod", "dm-crypt", "ecb", "xts", "dm-thin-pool"],
        files={"/test/" + name: os.path.join(folder, name)
               for name in os.listdir(folder)})
    t.say(output)
    t.check(output.count("right: ") == 2, "not all was checked")


main(test)
