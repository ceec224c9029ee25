libpullback_proto_la_SOURCES += \
	fleece/fleece-consume.c fleece/fleece-consume.h \
	fleece/fleece-files.c fleece/fleece-files.h \
	fleece/fleece-store.c fleece/fleece-store.h \
	fleece/counter-atomic.h \
	fleece/granule-atomic.h \
	fleece/granule-map.c fleece/granule-map.h \
	fleece/late-error.c fleece/late-error.h \
	fleece/map-file.c fleece/map-file.h \
	fleece/scratch-ledger.c fleece/scratch-ledger.h \
	fleece/scratch-figures.c fleece/scratch-figures.h \
	$(NULL)

check_PROGRAMS += test-granule-map test-fleece-store test-fleece-consume \
	test-fleece-rests test-late-error test-scratch-figures
TESTS += test-granule-map test-fleece-store test-fleece-consume \
	test-fleece-rests test-late-error test-scratch-figures
test_fleece_rests_SOURCES = fleece/test-fleece-rests.c \
	fleece/test-held-write.c fleece/test-held-write.h
test_fleece_rests_LDADD = libpullback-proto.la
test_fleece_rests_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=full_pwrite
test_fleece_consume_SOURCES = fleece/test-fleece-consume.c
test_fleece_consume_LDADD = libpullback-proto.la
test_fleece_consume_LDFLAGS = $(AM_LDFLAGS) \
	-Wl,--wrap=fallocate -Wl,--wrap=sync_file_range -Wl,--wrap=fstatfs
test_scratch_figures_SOURCES = fleece/test-scratch-figures.c
test_scratch_figures_LDADD = libpullback-proto.la
test_late_error_SOURCES = fleece/test-late-error.c
test_late_error_LDADD = libpullback-proto.la
test_late_error_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=sync_file_range
test_granule_map_SOURCES = fleece/test-granule-map.c
test_granule_map_LDADD = libpullback-proto.la
test_fleece_store_SOURCES = fleece/test-fleece-store.c \
	fleece/test-held-write.c fleece/test-held-write.h
test_fleece_store_LDADD = libpullback-proto.la
test_fleece_store_LDFLAGS = $(AM_LDFLAGS) \
	-Wl,--wrap=fallocate -Wl,--wrap=full_pwrite \
	-Wl,--wrap=sync_file_range
