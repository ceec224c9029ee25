libpullback_proto_la_SOURCES += \
	handover/handover-memory.c handover/handover-memory.h \
	handover/handover-offset.h \
	$(NULL)

check_PROGRAMS += test-handover
TESTS += test-handover
test_handover_SOURCES = handover/test-handover.c
test_handover_LDADD = libpullback-proto.la
