noinst_LTLIBRARIES += libpullback-metrics.la
libpullback_metrics_la_SOURCES = \
	metrics/metrics.c metrics/metrics.h \
	metrics/metrics-count.c metrics/metrics-count.h \
	metrics/metrics-families.tbl.h \
	metrics/metrics-file.c metrics/metrics-file.h \
	metrics/metrics-http.c metrics/metrics-http.h \
	metrics/metrics-text.c metrics/metrics-text.h \
	$(NULL)
libpullback_metrics_la_LIBADD = libpullback-domain.la \
	$(GLIB_LIBS) $(JSON_C_LIBS) $(MICROHTTPD_LIBS) -lm

check_PROGRAMS += test-metrics-text
TESTS += test-metrics-text
test_metrics_text_SOURCES = metrics/test-metrics-text.c
test_metrics_text_LDADD = libpullback-metrics.la \
	../proto/libpullback-proto.la
