libpullback_proto_la_SOURCES += \
	fleece/fleece-store.c fleece/fleece-store.h \
	fleece/granule-atomic.h \
	fleece/granule-map.c fleece/granule-map.h \
	$(NULL)

