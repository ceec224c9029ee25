# What is pure is tested alone.
noinst_LTLIBRARIES += libpullback-differ.la
libpullback_differ_la_SOURCES = \
	differ/differ-blocks.c differ/differ-blocks.h \
	differ/differ-counts.c differ/differ-counts.h \
	differ/differ-map.c differ/differ-map.h \
	differ/differ-written.c differ/differ-written.h \
	$(NULL)
libpullback_differ_la_LIBADD = ../proto/libpullback-proto.la

sbin_PROGRAMS += pullback-differ
pullback_differ_SOURCES = \
	differ/differ-main.c \
	differ/differ-job.c differ/differ-job.h \
	differ/differ-piece.c differ/differ-piece.h \
	differ/differ-side.c differ/differ-side.h \
	differ/differ-walk.c differ/differ-walk.h \
	$(NULL)
pullback_differ_LDADD = libpullback-differ.la \
	../proto/libpullback-json.la $(JSON_C_LIBS) $(LIBNBD_LIBS)

check_PROGRAMS += test-differ-blocks test-differ-map
TESTS += test-differ-blocks test-differ-map
test_differ_blocks_SOURCES = differ/test-differ-blocks.c
test_differ_blocks_LDADD = libpullback-differ.la
test_differ_map_SOURCES = differ/test-differ-map.c
test_differ_map_LDADD = libpullback-differ.la

EXTRA_DIST += differ/pullback-differ.pod
if HAVE_POD2MAN
man_MANS += differ/pullback-differ.8
endif
