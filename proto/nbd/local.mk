libpullback_proto_la_SOURCES += \
	nbd/export-names.c nbd/export-names.h \
	nbd/extent-list.c nbd/extent-list.h \
	nbd/nbd-wire.c nbd/nbd-wire.h \
	$(NULL)
