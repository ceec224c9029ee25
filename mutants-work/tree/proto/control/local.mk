# Its own library: the plugin needs nothing of it.
noinst_LTLIBRARIES += libpullback-control.la
libpullback_control_la_SOURCES = \
	control/control-commands.c control/control-commands.h \
	control/control-commands.tbl.h \
	control/control-events.c control/control-events.h \
	control/control-events.tbl.h \
	control/control-message.c control/control-message.h \
	$(NULL)
libpullback_control_la_LIBADD = libpullback-json.la

check_PROGRAMS += test-control-commands
TESTS += test-control-commands
test_control_commands_SOURCES = control/test-control-commands.c
test_control_commands_LDADD = libpullback-control.la

check_PROGRAMS += test-control-events
TESTS += test-control-events
test_control_events_SOURCES = control/test-control-events.c
test_control_events_LDADD = libpullback-control.la

EXTRA_DIST += control/pullback-control-protocol.pod
if HAVE_POD2MAN
man_MANS += control/pullback-control-protocol.7
control/pullback-control-protocol.7: control/$(am__dirstamp)
endif
