libpullback_proto_la_SOURCES += \
	qcow2/qcow2-header.c qcow2/qcow2-header.h \
	qcow2/qcow2-scan.c qcow2/qcow2-scan.h \
	$(NULL)

check_PROGRAMS += test-qcow2-header
TESTS += test-qcow2-header
test_qcow2_header_SOURCES = qcow2/test-qcow2-header.c
test_qcow2_header_LDADD = libpullback-proto.la

check_PROGRAMS += test-qcow2-scan
TESTS += test-qcow2-scan
test_qcow2_scan_SOURCES = qcow2/test-qcow2-scan.c
test_qcow2_scan_LDADD = libpullback-proto.la
