noinst_LTLIBRARIES += libpullback-steps.la
libpullback_steps_la_SOURCES = \
	steps/steps.c steps/steps.h \
	$(NULL)

STEPS_TESTS = test-steps
check_PROGRAMS += $(STEPS_TESTS)
TESTS += $(STEPS_TESTS)
test_steps_SOURCES = steps/test-steps.c
test_steps_LDADD = libpullback-steps.la ../proto/libpullback-proto.la
