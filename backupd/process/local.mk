noinst_LTLIBRARIES += libpullback-process.la
libpullback_process_la_SOURCES = \
	process/process.c process/process.h \
	process/process-child.c process/process-child.h \
	process/process-child-make.c process/process-child-private.h \
	process/process-label.c process/process-label.h \
	process/process-leftover.c process/process-leftover.h \
	process/process-listen.c process/process-listen.h \
	process/process-nbd.c process/process-nbd.h \
	process/process-record.c process/process-record.h \
	process/process-self.c process/process-self.h \
	process/process-sockets.c process/process-sockets.h \
	process/process-spawn.c process/process-spawn.h \
	process/process-visit.c process/process-visit.h \
	$(NULL)
libpullback_process_la_LIBADD = libpullback-systemd.la $(GLIB_LIBS)

PROCESS_TESTS = test-process-spawn test-process-child test-process-adopt \
	test-process-held test-process-visit
check_PROGRAMS += $(PROCESS_TESTS)
TESTS += $(PROCESS_TESTS)
test_process_visit_SOURCES = process/test-process-visit.c
test_process_visit_LDADD = libpullback-process.la ../proto/libpullback-proto.la
test_process_spawn_SOURCES = process/test-process-spawn.c
test_process_spawn_LDADD = libpullback-process.la ../proto/libpullback-proto.la
test_process_child_SOURCES = process/test-process-child.c
test_process_child_LDADD = libpullback-process.la ../proto/libpullback-proto.la
test_process_adopt_SOURCES = process/test-process-adopt.c
test_process_adopt_LDADD = libpullback-process.la ../proto/libpullback-proto.la
test_process_held_SOURCES = process/test-process-held.c
test_process_held_LDADD = libpullback-process.la ../proto/libpullback-proto.la
