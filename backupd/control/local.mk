noinst_LTLIBRARIES += libpullback-control-server.la
libpullback_control_server_la_SOURCES = \
	control/control-connection.c control/control-connection.h \
	control/control-events.c control/control-events.h \
	control/control-server.c control/control-server.h \
	$(NULL)
libpullback_control_server_la_LIBADD = \
	libpullback-requests.la ../proto/libpullback-control.la \
	$(GLIB_LIBS) $(JSON_C_LIBS)

check_PROGRAMS += test-control-events
TESTS += test-control-events
test_control_events_SOURCES = control/test-control-events.c
test_control_events_LDADD = libpullback-control-server.la \
	../proto/libpullback-proto.la
