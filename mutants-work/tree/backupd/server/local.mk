noinst_LTLIBRARIES += libpullback-server.la
libpullback_server_la_SOURCES = \
	server/server-connection.c server/server-connection.h \
	server/server-events.c server/server-events.h \
	server/server.c server/server.h \
	$(NULL)
libpullback_server_la_LIBADD = \
	libpullback-requests.la ../proto/libpullback-control.la \
	$(GLIB_LIBS) $(JSON_C_LIBS)

check_PROGRAMS += test-server-events
TESTS += test-server-events
test_server_events_SOURCES = server/test-server-events.c
test_server_events_LDADD = libpullback-server.la \
	../proto/libpullback-proto.la
