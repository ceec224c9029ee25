bin_PROGRAMS += pullback-gateway
gateway_sources = \
	gateway/gateway-activity.c gateway/gateway-activity.h \
	gateway/gateway-block-status.c gateway/gateway-block-status.h \
	gateway/gateway-budget.c gateway/gateway-budget.h \
	gateway/gateway-confine.c gateway/gateway-confine.h \
	gateway/gateway-connection.c gateway/gateway-connection.h \
	gateway/gateway-dirty.c gateway/gateway-dirty.h \
	gateway/gateway-ended.c gateway/gateway-ended.h \
	gateway/gateway-handshake.c gateway/gateway-handshake.h \
	gateway/gateway-inflight.c gateway/gateway-inflight.h \
	gateway/gateway-listen.c gateway/gateway-listen.h \
	gateway/gateway-memory.c gateway/gateway-memory.h \
	gateway/gateway-meta-context.c gateway/gateway-meta-context.h \
	gateway/gateway-open.c gateway/gateway-open.h \
	gateway/gateway-options.c gateway/gateway-options.h \
	gateway/gateway-peer.c gateway/gateway-peer.h \
	gateway/gateway-pulse.c gateway/gateway-pulse.h \
	gateway/gateway-pump.c gateway/gateway-pump.h \
	gateway/gateway-reads.c gateway/gateway-reads.h \
	gateway/gateway-reply.c gateway/gateway-reply.h \
	gateway/gateway-routes.c gateway/gateway-routes.h \
	gateway/gateway-served.c gateway/gateway-served.h \
	gateway/gateway-slots.c gateway/gateway-slots.h \
	gateway/gateway-status-pool.c gateway/gateway-status-pool.h \
	gateway/gateway-thread.c gateway/gateway-thread.h \
	gateway/gateway-transmission.c gateway/gateway-transmission.h \
	gateway/gateway-trim.c gateway/gateway-trim.h \
	gateway/gateway-turns.c gateway/gateway-turns.h \
	gateway/gateway-upstream.c gateway/gateway-upstream.h \
	gateway/gateway-writers.c gateway/gateway-writers.h \
	gateway/gateway-writes.c gateway/gateway-writes.h \
	gateway/gateway-written.c gateway/gateway-written.h \
	$(NULL)
pullback_gateway_SOURCES = gateway/gateway-main.c $(gateway_sources)
pullback_gateway_CPPFLAGS = $(AM_CPPFLAGS) $(JSON_C_CFLAGS) $(SECCOMP_CFLAGS) $(CAP_NG_CFLAGS)
pullback_gateway_LDADD = libpullback-proto.la $(JSON_C_LIBS) $(SECCOMP_LIBS) $(CAP_NG_LIBS)
EXTRA_DIST += gateway/pullback-gateway.pod
if HAVE_POD2MAN
man_MANS += gateway/pullback-gateway.1
endif

check_PROGRAMS += test-gateway-budget test-gateway-confine \
	test-gateway-handshake test-gateway-pump test-gateway-slots \
	test-gateway-writers
TESTS += test-gateway-budget test-gateway-confine \
	test-gateway-handshake test-gateway-pump test-gateway-slots \
	test-gateway-writers
test_gateway_writers_SOURCES = \
	gateway/test-gateway-writers.c \
	gateway/gateway-writers.c gateway/gateway-writers.h
test_gateway_writers_LDADD = libpullback-proto.la
test_gateway_pump_SOURCES = \
	gateway/test-gateway-pump.c \
	gateway/gateway-pulse.c gateway/gateway-pulse.h \
	gateway/gateway-pump.c gateway/gateway-pump.h
test_gateway_pump_LDADD = libpullback-proto.la
test_gateway_slots_SOURCES = \
	gateway/test-gateway-slots.c \
	gateway/gateway-slots.c gateway/gateway-slots.h
test_gateway_budget_SOURCES = \
	gateway/test-gateway-budget.c \
	gateway/gateway-budget.c gateway/gateway-budget.h
test_gateway_confine_SOURCES = \
	gateway/test-gateway-confine.c \
	gateway/gateway-confine.c gateway/gateway-confine.h
test_gateway_confine_CPPFLAGS = $(pullback_gateway_CPPFLAGS)
test_gateway_confine_LDADD = $(pullback_gateway_LDADD)
test_gateway_handshake_SOURCES = \
	gateway/test-gateway-handshake.c $(gateway_sources)
test_gateway_handshake_CPPFLAGS = $(pullback_gateway_CPPFLAGS)
test_gateway_handshake_LDADD = $(pullback_gateway_LDADD)
