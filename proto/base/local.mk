libpullback_proto_la_SOURCES += \
	base/checked-math.h \
	base/cleanup.h \
	base/deadline.h \
	base/failure.c base/failure.h \
	base/file-identity.c base/file-identity.h \
	base/full-io.c base/full-io.h \
	base/log.c base/log.h \
	base/stop-clock.c base/stop-clock.h \
	$(NULL)
