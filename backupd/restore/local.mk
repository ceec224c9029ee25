noinst_LTLIBRARIES += libpullback-restore.la
libpullback_restore_la_SOURCES = \
	restore/restore-adopt.c restore/restore-adopt.h \
	restore/restore-again.c restore/restore-again.h \
	restore/restore-below.c restore/restore-below.h \
	restore/restore-chain.c restore/restore-chain.h \
	restore/restore-changed.c restore/restore-changed.h \
	restore/restore-copy.c restore/restore-copy.h \
	restore/restore-errand.c restore/restore-errand.h \
	restore/restore-format.c restore/restore-format.h \
	restore/restore-ledger.c restore/restore-ledger.h \
	restore/restore-lock.c restore/restore-lock.h \
	restore/restore-place.c restore/restore-place.h \
	restore/restore-go-on.c restore/restore-go-on.h \
	restore/restore-info.c restore/restore-info.h \
	restore/restore-instant.c restore/restore-instant.h \
	restore/restore-instant-plan.c restore/restore-instant-plan.h \
	restore/restore-journal.c restore/restore-journal.h \
	restore/restore-definition.c restore/restore-definition.h \
	restore/restore-machine.c restore/restore-machine.h \
	restore/restore-machine-end.c restore/restore-machine-look.c restore/restore-machine-watch.c \
	restore/restore-model.c restore/restore-model.h \
	restore/restore-move.c restore/restore-move.h \
	restore/restore-move-job.c restore/restore-move-job.h \
	restore/restore-plan.c restore/restore-plan.h \
	restore/restore-process.c restore/restore-process.h \
	restore/restore-range.c restore/restore-range.h \
	restore/restore-recover.c restore/restore-recover.h \
	restore/restore-registry.c restore/restore-registry.h \
	restore/restore-run.c \
	restore/restore-source.c restore/restore-source.h \
	restore/restore-serve.c restore/restore-serve.h \
	restore/restore-since.c restore/restore-since.h \
	restore/restore-steps.c restore/restore-steps.h \
	restore/restore-storage.c restore/restore-storage.h \
	restore/restore-storage-daemon.c restore/restore-storage-daemon.h \
	restore/restore-target.c restore/restore-target.h \
	restore/restore-target-ask.c \
	restore/restore-target-errand.c restore/restore-target-errand.h \
	restore/restore-target-held.c \
	restore/restore-target-open.c restore/restore-target-private.h \
	restore/restore-undo.c \
	restore/restore-wait.c restore/restore-wait.h \
	restore/restore-written.c restore/restore-written.h \
	restore/restore.h \
	$(NULL)
libpullback_restore_la_LIBADD = $(GLIB_LIBS) $(JSON_C_LIBS) $(LIBNBD_LIBS) \
	libpullback-client.la libpullback-steps.la libpullback-process.la \
	libpullback-catalog.la libpullback-libvirt.la libpullback-qmp.la \
	../proto/libpullback-control.la

RESTORE_TESTS = test-restore-format test-restore-lock test-restore-place \
	test-restore-since test-restore-storage-daemon test-restore-target
check_PROGRAMS += $(RESTORE_TESTS)
TESTS += $(RESTORE_TESTS)
RESTORE_TEST = restore/test-restore.c restore/test-restore.h
test_restore_format_SOURCES = restore/test-restore-format.c $(RESTORE_TEST)
test_restore_format_LDADD = libpullback-restore.la ../proto/libpullback-proto.la
test_restore_lock_SOURCES = restore/test-restore-lock.c $(RESTORE_TEST)
test_restore_lock_LDADD = libpullback-restore.la ../proto/libpullback-proto.la
test_restore_place_SOURCES = restore/test-restore-place.c $(RESTORE_TEST)
test_restore_place_LDADD = libpullback-restore.la ../proto/libpullback-proto.la
test_restore_since_SOURCES = restore/test-restore-since.c $(RESTORE_TEST)
test_restore_since_LDADD = libpullback-restore.la ../proto/libpullback-proto.la
test_restore_storage_daemon_SOURCES = restore/test-restore-storage-daemon.c $(RESTORE_TEST)
test_restore_storage_daemon_LDADD = libpullback-restore.la ../proto/libpullback-proto.la $(LIBNBD_LIBS)
test_restore_target_SOURCES = restore/test-restore-target.c $(RESTORE_TEST)
test_restore_target_LDADD = libpullback-restore.la ../proto/libpullback-proto.la
