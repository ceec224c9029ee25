noinst_LTLIBRARIES += libpullback-restore.la
libpullback_restore_la_SOURCES = \
	restore/restore-chain.c restore/restore-chain.h \
	restore/restore-format.c restore/restore-format.h \
	restore/restore-lock.c restore/restore-lock.h \
	restore/restore-place.c restore/restore-place.h \
	restore/restore-storage-daemon.c restore/restore-storage-daemon.h \
	restore/restore-target.c restore/restore-target.h \
	restore/restore-target-open.c restore/restore-target-private.h \
	$(NULL)
libpullback_restore_la_LIBADD = $(GLIB_LIBS) $(JSON_C_LIBS) $(LIBNBD_LIBS) \
	libpullback-process.la

RESTORE_TESTS = test-restore-format test-restore-lock test-restore-place \
	test-restore-storage-daemon test-restore-target
check_PROGRAMS += $(RESTORE_TESTS)
TESTS += $(RESTORE_TESTS)
RESTORE_TEST = restore/test-restore.c restore/test-restore.h
test_restore_format_SOURCES = restore/test-restore-format.c $(RESTORE_TEST)
test_restore_format_LDADD = libpullback-restore.la ../proto/libpullback-proto.la
test_restore_lock_SOURCES = restore/test-restore-lock.c $(RESTORE_TEST)
test_restore_lock_LDADD = libpullback-restore.la ../proto/libpullback-proto.la
test_restore_place_SOURCES = restore/test-restore-place.c $(RESTORE_TEST)
test_restore_place_LDADD = libpullback-restore.la ../proto/libpullback-proto.la
test_restore_storage_daemon_SOURCES = restore/test-restore-storage-daemon.c $(RESTORE_TEST)
test_restore_storage_daemon_LDADD = libpullback-restore.la ../proto/libpullback-proto.la $(LIBNBD_LIBS)
test_restore_target_SOURCES = restore/test-restore-target.c $(RESTORE_TEST)
test_restore_target_LDADD = libpullback-restore.la ../proto/libpullback-proto.la
