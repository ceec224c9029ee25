noinst_LTLIBRARIES += libpullback-restore.la
libpullback_restore_la_SOURCES = \
	restore/restore-target.h \
	$(NULL)
libpullback_restore_la_LIBADD = $(GLIB_LIBS) $(JSON_C_LIBS) \
	libpullback-steps.la libpullback-process.la
