noinst_LTLIBRARIES += libpullback-backup.la
libpullback_backup_la_SOURCES = \
	backup/backup-adopt.c \
	backup/backup-base.c backup/backup-base.h \
	backup/backup-begin.c \
	backup/backup-room.c backup/backup-room.h \
	backup/backup-since.c backup/backup-since.h \
	backup/backup-ending.c backup/backup-ending.h \
	backup/backup-chain.c backup/backup-chain.h \
	backup/backup-check.c \
	backup/backup-expiry.c backup/backup-expiry.h \
	backup/backup-flush.c backup/backup-flush.h \
	backup/backup-freeze.c backup/backup-freeze.h \
	backup/backup-freeze-look.c \
	backup/backup-fulls.c backup/backup-fulls.h \
	backup/backup-gateway.c backup/backup-gateway.h \
	backup/backup-image.c backup/backup-image.h \
	backup/backup-iothread.c backup/backup-iothread.h \
	backup/backup-import.c \
	backup/backup-info.c \
	backup/backup-journal.c backup/backup-journal.h \
	backup/backup-migration.c backup/backup-migration.h \
	backup/backup-model.c backup/backup-model.h \
	backup/backup-pace.c backup/backup-pace.h \
	backup/backup-pace-info.c backup/backup-pace-model.h \
	backup/backup-pace-watch.c \
	backup/backup-plan.c backup/backup-plan.h \
	backup/backup-scratch.c backup/backup-scratch.h \
	backup/backup-sink.c backup/backup-sink.h \
	backup/backup-size.c backup/backup-size.h \
	backup/backup-process.c backup/backup-process.h \
	backup/backup-qemu.c backup/backup-qemu.h \
	backup/backup-quiesce.c backup/backup-quiesce.h \
	backup/backup-record.c backup/backup-record.h \
	backup/backup-recover.c \
	backup/backup-snapshot.c backup/backup-snapshot.h \
	backup/backup-steps.c backup/backup-steps.h \
	backup/backup-stores.c backup/backup-stores.h \
	backup/backup-unplug.c backup/backup-unplug.h \
	backup/backup-server.c \
	backup/backup-served.c backup/backup-served.h \
	backup/backup-view.c \
	backup/backup-watch.c backup/backup-watch.h \
	backup/backup-whole.c backup/backup-whole.h \
	backup/backup-write-error.c backup/backup-write-error.h \
	backup/backup.h \
	backup/backup-store-files.c backup/backup-store-files.h \
	$(NULL)
libpullback_backup_la_LIBADD = $(GLIB_LIBS) $(JSON_C_LIBS) \
	libpullback-restore.la libpullback-client.la \
	libpullback-steps.la libpullback-quiesce.la libpullback-process.la

BACKUP_TESTS = test-backup-room test-backup-store-files
check_PROGRAMS += $(BACKUP_TESTS)
TESTS += $(BACKUP_TESTS)
test_backup_room_SOURCES = backup/test-backup-room.c
test_backup_room_LDADD = libpullback-domain.la ../proto/libpullback-proto.la
test_backup_store_files_SOURCES = backup/test-backup-store-files.c
test_backup_store_files_LDADD = libpullback-backup.la ../proto/libpullback-proto.la
