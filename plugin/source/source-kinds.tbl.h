/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Every kind of base: SOURCE (NAME, KEY, VALUE, HELP, WANTS, OPEN).
 *
 * KEY=VALUE is how the view is told of it, HELP the end of that line in
 * nbdkit's --help.  WANTS says what else it is told (see source.h).  OPEN is
 * the function that opens it; source.h declares it from here. */
SOURCE (DIRECT_RAW, "direct", "PATH",
        "         the base is this raw image or block device.",
        SOURCE_MAY_BE_DIRECT_IO, source_direct_raw_open)
SOURCE (DIRECT_RAW_FD, "direct-fd", "N",
        "         the base is what descriptor N is open on.",
        SOURCE_IS_DESCRIPTOR, source_direct_raw_open_fd)
SOURCE (RELAY, "relay", "URI",
        "           the base is this NBD export.",
        0, source_relay_open)
SOURCE (CHAIN, "chain", "FORMAT:FD:ID,...",
        "\n                    the base is this chain of open images.",
        SOURCE_MAY_HAVE_RELAY, source_qcow2_open)
SOURCE (CHAIN_PATH, "chain-path", "FORMAT:PATH,...",
        "\n                    the base is this chain of images.",
        SOURCE_MAY_HAVE_RELAY | SOURCE_MAY_BE_DIRECT_IO, source_qcow2_open)
