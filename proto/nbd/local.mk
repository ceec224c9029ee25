libpullback_proto_la_SOURCES += \
	nbd/export-names.c nbd/export-names.h \
	$(NULL)
