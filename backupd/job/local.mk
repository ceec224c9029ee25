noinst_LTLIBRARIES += libpullback-job.la
libpullback_job_la_SOURCES = \
	job/backup-chain.c job/backup-chain.h \
	job/backup-ending.c job/backup-ending.h \
	job/backup-check.c job/backup-check.h \
	job/backup-expiry.c job/backup-expiry.h \
	job/backup-fulls.c job/backup-fulls.h \
	job/backup-image.c job/backup-image.h \
	job/backup-import.c job/backup-import.h \
	job/backup-info.c \
	job/backup-journal.c job/backup-journal.h \
	job/backup-plan.c job/backup-plan.h \
	job/backup-relay.c job/backup-relay.h \
	job/backup-size.c job/backup-size.h \
	job/backup-processes.c job/backup-processes.h \
	job/backup-qemu.c job/backup-qemu.h \
	job/backup-quiesce.c job/backup-quiesce.h \
	job/backup-revive.c \
	job/backup-steps.c job/backup-steps.h \
	job/backup-stores.c job/backup-stores.h \
	job/backup-unplug.c job/backup-unplug.h \
	job/backup.c job/backup.h \
	job/export-client.c job/export-client.h \
	job/store-files.c job/store-files.h \
	job/step-groups.c job/step-groups.h \
	job/steps.c job/steps.h \
	job/unix-sockets.c job/unix-sockets.h \
	$(NULL)
libpullback_job_la_CPPFLAGS = $(AM_CPPFLAGS) \
	-I$(srcdir)/qmp -I$(srcdir)/catalog -I$(srcdir)/job \
	-I$(srcdir)/checkpoint -I$(srcdir)/quiesce \
	$(GLIB_CFLAGS) $(JSON_C_CFLAGS) $(LIBNBD_CFLAGS) \
	-DNBDKIT_PLUGINDIR='"$(NBDKIT_PLUGINDIR)"' \
	$(NULL)
libpullback_job_la_LIBADD = $(GLIB_LIBS) $(JSON_C_LIBS) $(LIBNBD_LIBS) \
	libpullback-quiesce.la libpullback-process.la

JOB_TESTS = test-steps test-store-files
check_PROGRAMS += $(JOB_TESTS)
TESTS += $(JOB_TESTS)
test_steps_SOURCES = job/test-steps.c
test_steps_CPPFLAGS = $(libpullback_job_la_CPPFLAGS)
test_steps_LDADD = libpullback-job.la ../proto/libpullback-proto.la
test_store_files_SOURCES = job/test-store-files.c
test_store_files_CPPFLAGS = $(libpullback_job_la_CPPFLAGS)
test_store_files_LDADD = libpullback-job.la ../proto/libpullback-proto.la
