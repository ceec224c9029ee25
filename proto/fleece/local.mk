libpullback_proto_la_SOURCES += \
	fleece/fleece-store.c fleece/fleece-store.h \
	fleece/granule-atomic.h \
	fleece/granule-map.c fleece/granule-map.h \
	fleece/late-error.c fleece/late-error.h \
	$(NULL)

check_PROGRAMS += test-granule-map test-fleece-store
TESTS += test-granule-map test-fleece-store
test_granule_map_SOURCES = fleece/test-granule-map.c
test_granule_map_LDADD = libpullback-proto.la
test_fleece_store_SOURCES = fleece/test-fleece-store.c
test_fleece_store_LDADD = libpullback-proto.la
test_fleece_store_LDFLAGS = $(AM_LDFLAGS) \
	-Wl,--wrap=fallocate -Wl,--wrap=full_pwrite \
	-Wl,--wrap=sync_file_range
