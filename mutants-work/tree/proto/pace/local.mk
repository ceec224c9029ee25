libpullback_proto_la_SOURCES += \
	pace/pace-atomic.h \
	pace/pace-file.c pace/pace-file.h \
	pace/pace-law.c pace/pace-law.h \
	$(NULL)

check_PROGRAMS += test-pace-file test-pace-law
TESTS += test-pace-file test-pace-law
test_pace_file_SOURCES = pace/test-pace-file.c
test_pace_file_LDADD = libpullback-proto.la
test_pace_law_SOURCES = pace/test-pace-law.c
test_pace_law_LDADD = libpullback-proto.la
