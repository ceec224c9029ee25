noinst_LTLIBRARIES += libpullback-job.la
libpullback_job_la_SOURCES = \
	job/backup-chain.c job/backup-chain.h \
	job/backup-image.c job/backup-image.h \
	job/backup-info.c \
	job/backup-journal.c job/backup-journal.h \
	job/backup-plan.c job/backup-plan.h \
	job/backup-processes.c job/backup-processes.h \
	job/backup-steps.c job/backup-steps.h \
	job/backup.c job/backup.h \
	job/child.c job/child.h \
	job/child-leftover.c \
	job/child-listen.c \
	job/export-client.c job/export-client.h \
	job/steps.c job/steps.h \
	$(NULL)
libpullback_job_la_CPPFLAGS = $(AM_CPPFLAGS) \
	-I$(srcdir)/qmp -I$(srcdir)/catalog -I$(srcdir)/job \
	$(GLIB_CFLAGS) $(JSON_C_CFLAGS) $(LIBNBD_CFLAGS) \
	-DNBDKIT_PLUGINDIR='"$(NBDKIT_PLUGINDIR)"' \
	$(NULL)
libpullback_job_la_LIBADD = $(GLIB_LIBS) $(JSON_C_LIBS) $(LIBNBD_LIBS)
