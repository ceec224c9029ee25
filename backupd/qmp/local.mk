noinst_LTLIBRARIES += libpullback-qmp.la
libpullback_qmp_la_SOURCES = \
	qmp/qmp.h \
	qmp/qmp-bitmap.c qmp/qmp-bitmap.h \
	qmp/qmp-blockstats.c qmp/qmp-blockstats.h \
	qmp/qmp-chain.c qmp/qmp-chain.h \
	qmp/qmp-device.c qmp/qmp-device.h \
	qmp/qmp-disk.c qmp/qmp-disk.h \
	qmp/qmp-events.c \
	qmp/qmp-export.c qmp/qmp-export.h \
	qmp/qmp-graph.c qmp/qmp-graph.h \
	qmp/qmp-flash.c qmp/qmp-flash.h \
	qmp/qmp-guest.c qmp/qmp-guest.h \
	qmp/qmp-helper.c qmp/qmp-helper.h \
	qmp/qmp-hold.c qmp/qmp-hold.h \
	qmp/qmp-image.c qmp/qmp-image-compare.c qmp/qmp-image.h \
	qmp/qmp-iothread.c qmp/qmp-iothread.h \
	qmp/qmp-job.c qmp/qmp-job.h \
	qmp/qmp-lower.c qmp/qmp-lower.h \
	qmp/qmp-migration.c qmp/qmp-migration.h \
	qmp/qmp-none.c \
	qmp/qmp-names.c qmp/qmp-names.h \
	qmp/qmp-needed.tbl.h \
	qmp/qmp-node.c qmp/qmp-node.h \
	qmp/qmp-peer.c qmp/qmp-peer.h \
	qmp/qmp-schema.c qmp/qmp-schema.h \
	qmp/qmp-session.c qmp/qmp-session.h \
	qmp/qmp-socket.c \
	qmp/qmp-survey.c qmp/qmp-survey-certain.c qmp/qmp-survey-held.c \
	qmp/qmp-survey.h qmp/qmp-survey-private.h \
	qmp/qmp-transaction.c qmp/qmp-transaction.h \
	qmp/qmp-transport.h \
	qmp/qmp-turn.c qmp/qmp-turn.h \
	$(NULL)
libpullback_qmp_la_LIBADD = ../proto/libpullback-json.la \
	$(JSON_C_LIBS) $(GLIB_LIBS)

check_PROGRAMS += test-qmp-real
TESTS += test-qmp-real
test_qmp_real_SOURCES = qmp/test-qmp-real.c qmp/test-qmp.h \
	qmp/test-qmp-vm.c qmp/test-qmp-vm.h
test_qmp_real_CPPFLAGS = $(AM_CPPFLAGS) \
	-DPYTHON3='"$(PYTHON3)"' \
	-DFAKE_QMP='"$(abs_top_srcdir)/tests/fake-qemu/fake-qmp.py"'
test_qmp_real_LDADD = libpullback-qmp.la $(libpullback_qmp_la_LIBADD)

check_PROGRAMS += test-qmp-helper
TESTS += test-qmp-helper
test_qmp_helper_SOURCES = qmp/test-qmp-helper.c qmp/test-qmp.h
test_qmp_helper_LDADD = libpullback-qmp.la $(libpullback_qmp_la_LIBADD)

check_PROGRAMS += test-qmp-session
TESTS += test-qmp-session
test_qmp_session_SOURCES = qmp/test-qmp-session.c qmp/test-qmp.h \
	qmp/test-qmp-peer.c qmp/test-qmp-peer.h
test_qmp_session_LDADD = libpullback-qmp.la $(libpullback_qmp_la_LIBADD)

check_PROGRAMS += test-qmp-commands
TESTS += test-qmp-commands
test_qmp_commands_SOURCES = qmp/test-qmp-commands.c qmp/test-qmp.h \
	qmp/test-qmp-peer.c qmp/test-qmp-peer.h
test_qmp_commands_LDADD = libpullback-qmp.la $(libpullback_qmp_la_LIBADD)

check_PROGRAMS += test-qmp-image
TESTS += test-qmp-image
test_qmp_image_SOURCES = qmp/test-qmp-image.c
test_qmp_image_LDADD = libpullback-qmp.la $(libpullback_qmp_la_LIBADD)

check_PROGRAMS += test-qmp-lower
TESTS += test-qmp-lower
test_qmp_lower_SOURCES = qmp/test-qmp-lower.c qmp/test-qmp.h
test_qmp_lower_LDADD = libpullback-qmp.la $(libpullback_qmp_la_LIBADD)

check_PROGRAMS += test-qmp-survey
TESTS += test-qmp-survey
test_qmp_survey_SOURCES = qmp/test-qmp-survey.c qmp/test-qmp.h \
	qmp/test-qmp-peer.c qmp/test-qmp-peer.h
test_qmp_survey_LDADD = libpullback-qmp.la $(libpullback_qmp_la_LIBADD)
