noinst_LTLIBRARIES += libpullback-backup.la
libpullback_backup_la_SOURCES = \
	backup/backup-chain.c backup/backup-chain.h \
	backup/backup-ending.c backup/backup-ending.h \
	backup/backup-check.c backup/backup-check.h \
	backup/backup-expiry.c backup/backup-expiry.h \
	backup/backup-fulls.c backup/backup-fulls.h \
	backup/backup-image.c backup/backup-image.h \
	backup/backup-import.c backup/backup-import.h \
	backup/backup-info.c \
	backup/backup-journal.c backup/backup-journal.h \
	backup/backup-plan.c backup/backup-plan.h \
	backup/backup-relay.c backup/backup-relay.h \
	backup/backup-size.c backup/backup-size.h \
	backup/backup-processes.c backup/backup-processes.h \
	backup/backup-qemu.c backup/backup-qemu.h \
	backup/backup-quiesce.c backup/backup-quiesce.h \
	backup/backup-revive.c \
	backup/backup-steps.c backup/backup-steps.h \
	backup/backup-stores.c backup/backup-stores.h \
	backup/backup-unplug.c backup/backup-unplug.h \
	backup/backup.c backup/backup.h \
	backup/backup-client.c backup/backup-client.h \
	backup/backup-store-files.c backup/backup-store-files.h \
	backup/step-groups.c backup/step-groups.h \
	$(NULL)
libpullback_backup_la_LIBADD = $(GLIB_LIBS) $(JSON_C_LIBS) $(LIBNBD_LIBS) \
	libpullback-steps.la libpullback-quiesce.la libpullback-process.la

BACKUP_TESTS = test-backup-store-files
check_PROGRAMS += $(BACKUP_TESTS)
TESTS += $(BACKUP_TESTS)
test_backup_store_files_SOURCES = backup/test-backup-store-files.c
test_backup_store_files_LDADD = libpullback-backup.la ../proto/libpullback-proto.la
