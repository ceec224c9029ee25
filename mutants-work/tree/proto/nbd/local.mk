libpullback_proto_la_SOURCES += \
	nbd/extent-list.c nbd/extent-list.h \
	nbd/nbd-wire.c nbd/nbd-wire.h \
	$(NULL)

check_PROGRAMS += test-nbd-wire test-extent-list
TESTS += test-nbd-wire test-extent-list
test_nbd_wire_SOURCES = nbd/test-nbd-wire.c
test_nbd_wire_LDADD = libpullback-proto.la
test_extent_list_SOURCES = nbd/test-extent-list.c
test_extent_list_LDADD = libpullback-proto.la
