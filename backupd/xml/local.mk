AM_CPPFLAGS += -I$(srcdir)/xml

# What backupd/catalog builds on too.
noinst_LTLIBRARIES += libpullback-xml-input.la
libpullback_xml_input_la_SOURCES = \
	xml/xml-input.c xml/xml-input.h \
	$(NULL)
libpullback_xml_input_la_CPPFLAGS = $(AM_CPPFLAGS) \
	$(LIBXML2_CFLAGS) $(GLIB_CFLAGS)
libpullback_xml_input_la_LIBADD = \
	../proto/libpullback-proto.la $(LIBXML2_LIBS) $(GLIB_LIBS)

noinst_LTLIBRARIES += libpullback-xml.la
libpullback_xml_la_SOURCES = \
	xml/xml-backup.c xml/xml-backup.h \
	xml/xml-checkpoint.c xml/xml-checkpoint.h \
	xml/xml-domain.c xml/xml-domain.h \
	xml/xml-names.c xml/xml-names.h \
	xml/xml-output.c xml/xml-output.h \
	$(NULL)
libpullback_xml_la_CPPFLAGS = $(AM_CPPFLAGS) $(GLIB_CFLAGS)
libpullback_xml_la_LIBADD = libpullback-xml-input.la $(GLIB_LIBS)
