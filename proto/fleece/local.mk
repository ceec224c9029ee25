libpullback_proto_la_SOURCES += \
	fleece/fleece-store.h \
	fleece/granule-atomic.h \
	fleece/granule-map.h \
	$(NULL)
