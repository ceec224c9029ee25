noinst_LTLIBRARIES += libpullback-catalog.la
libpullback_catalog_la_SOURCES = \
	catalog/catalog.c catalog/catalog.h \
	catalog/catalog-files.c catalog/catalog-private.h \
	catalog/catalog-checkpoint.c catalog/catalog-checkpoint.h \
	catalog/catalog-diskspec.c catalog/catalog-diskspec.h \
	catalog/catalog-document.c catalog/catalog-document.h \
	$(NULL)
libpullback_catalog_la_LIBADD = \
	libpullback-xml.la ../proto/libpullback-proto.la $(GLIB_LIBS)

CATALOG_TESTS = test-catalog test-catalog-document
check_PROGRAMS += $(CATALOG_TESTS)
TESTS += $(CATALOG_TESTS)
test_catalog_SOURCES = catalog/test-catalog.c
test_catalog_LDADD = libpullback-catalog.la
test_catalog_document_SOURCES = \
	catalog/test-catalog-document.c xml/test-xml.c xml/test-xml.h
test_catalog_document_LDADD = libpullback-catalog.la
