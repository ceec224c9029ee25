libpullback_proto_la_SOURCES += \
	base/checked-math.h \
	base/cleanup.h \
	base/deadline.h \
	base/failure.c base/failure.h \
	base/file-identity.c base/file-identity.h \
	base/full-io.c base/full-io.h \
	base/log.c base/log.h \
	base/name.c base/name.h \
	base/stop-clock.c base/stop-clock.h \
	$(NULL)

check_PROGRAMS += test-full-io
TESTS += test-full-io
test_full_io_SOURCES = base/test-full-io.c
test_full_io_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=pread -Wl,--wrap=pwrite \
	-Wl,--wrap=read -Wl,--wrap=send
test_full_io_LDADD = libpullback-proto.la
