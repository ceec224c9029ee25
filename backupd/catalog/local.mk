noinst_LTLIBRARIES += libpullback-catalog.la
libpullback_catalog_la_SOURCES = \
	catalog/catalog.c catalog/catalog.h \
	catalog/catalog-files.c catalog/catalog-private.h \
	catalog/checkpoint-xml.c catalog/checkpoint-xml.h \
	$(NULL)
libpullback_catalog_la_LIBADD = \
	libpullback-xml.la ../proto/libpullback-proto.la $(GLIB_LIBS)

check_PROGRAMS += test-catalog
TESTS += test-catalog
test_catalog_SOURCES = catalog/test-catalog.c
test_catalog_LDADD = libpullback-catalog.la
