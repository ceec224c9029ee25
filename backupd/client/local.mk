noinst_LTLIBRARIES += libpullback-client.la
libpullback_client_la_SOURCES = \
	client/client.h \
	client/client-check.c \
	client/client-import.c \
	client/client-run.c client/client-run.h \
	$(NULL)
libpullback_client_la_LIBADD = $(GLIB_LIBS) $(LIBNBD_LIBS)
