libpullback_proto_la_SOURCES += \
	base/checked-math.h \
	base/cleanup.h \
	base/command-line.c base/command-line.h \
	base/deadline.h \
	base/failure.c base/failure.h \
	base/file-identity.c base/file-identity.h \
	base/file.c base/file.h \
	base/full-io.c base/full-io.h \
	base/log.c base/log.h \
	base/log-journal.c base/log-journal.h \
	base/name.c base/name.h \
	base/patience.c base/patience.h \
	base/proc-start.c base/proc-start.h \
	base/size.c base/size.h \
	base/socket.c base/socket.h \
	base/stop-clock.c base/stop-clock.h \
	base/user.c base/user.h \
	$(NULL)

check_PROGRAMS += test-full-io
TESTS += test-full-io
test_full_io_SOURCES = base/test-full-io.c
test_full_io_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=pread -Wl,--wrap=pwrite \
	-Wl,--wrap=read -Wl,--wrap=send
test_full_io_LDADD = libpullback-proto.la

check_PROGRAMS += test-command-line
TESTS += test-command-line
test_command_line_SOURCES = base/test-command-line.c
test_command_line_LDADD = libpullback-proto.la

check_PROGRAMS += test-failure
TESTS += test-failure
test_failure_SOURCES = base/test-failure.c
test_failure_LDADD = libpullback-proto.la

check_PROGRAMS += test-log
TESTS += test-log
test_log_SOURCES = base/test-log.c
test_log_LDADD = libpullback-proto.la

check_PROGRAMS += test-size
TESTS += test-size
test_size_SOURCES = base/test-size.c
test_size_LDADD = libpullback-proto.la

check_PROGRAMS += test-socket
TESTS += test-socket
test_socket_SOURCES = base/test-socket.c
test_socket_LDADD = libpullback-proto.la

# Its own library: the plugin and the gateway need no JSON.
noinst_LTLIBRARIES += libpullback-json.la
libpullback_json_la_SOURCES = \
	base/json-members.h \
	base/json-stream.c base/json-stream.h \
	$(NULL)
libpullback_json_la_LIBADD = libpullback-proto.la $(JSON_C_LIBS)

check_PROGRAMS += test-json-stream
TESTS += test-json-stream
test_json_stream_SOURCES = base/test-json-stream.c
test_json_stream_LDADD = libpullback-json.la
