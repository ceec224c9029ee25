noinst_LTLIBRARIES += libpullback-xml.la
libpullback_xml_la_SOURCES = \
	xml/xml-backup.c xml/xml-backup.h \
	xml/xml-clone.c xml/xml-clone.h xml/xml-clone-private.h \
	xml/xml-clone-devices.c \
	xml/xml-domain.c xml/xml-domain.h \
	xml/xml-edit.c xml/xml-edit.h \
	xml/xml-input.c xml/xml-input.h \
	xml/xml-names.c xml/xml-names.h \
	xml/xml-output.c xml/xml-output.h \
	$(NULL)
libpullback_xml_la_LIBADD = \
	../proto/libpullback-proto.la $(LIBXML2_LIBS) $(GLIB_LIBS)

schemasdir = $(pkgdatadir)/schemas
dist_schemas_DATA = xml/schemas/domainbackup.rng xml/schemas/domaincheckpoint.rng

EXTRA_DIST += \
	xml/testdata/checkpoint-create.xml \
	xml/testdata/checkpoint-redefine.xml \
	xml/testdata/checkpoint-redefine-old.xml \
	xml/testdata/domain.xml \
	xml/testdata/machine.xml \
	xml/testdata/pull-incremental.xml \
	xml/testdata/pull-tcp.xml \
	$(NULL)

XML_TESTS = test-xml-backup test-xml-clone test-xml-domain test-xml-input
check_PROGRAMS += $(XML_TESTS)
TESTS += $(XML_TESTS) xml/test-schemas.sh
EXTRA_DIST += xml/test-schemas.sh
test_xml_backup_SOURCES = xml/test-xml-backup.c xml/test-xml.c xml/test-xml.h
test_xml_backup_LDADD = libpullback-xml.la
test_xml_clone_SOURCES = xml/test-xml-clone.c xml/test-xml.c xml/test-xml.h
test_xml_clone_LDADD = libpullback-xml.la
test_xml_domain_SOURCES = xml/test-xml-domain.c xml/test-xml.c xml/test-xml.h
test_xml_domain_LDADD = libpullback-xml.la
test_xml_input_SOURCES = xml/test-xml-input.c xml/test-xml.c xml/test-xml.h
test_xml_input_LDADD = libpullback-xml.la
