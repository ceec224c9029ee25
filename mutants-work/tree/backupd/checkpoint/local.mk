noinst_LTLIBRARIES += libpullback-checkpoint.la
libpullback_checkpoint_la_SOURCES = \
	checkpoint/checkpoint.h \
	checkpoint/checkpoint-chain.c checkpoint/checkpoint-chain.h \
	checkpoint/checkpoint-create.c \
	checkpoint/checkpoint-delete.c \
	checkpoint/checkpoint-disks.c checkpoint/checkpoint-disks.h \
	checkpoint/checkpoint-leftover.c \
	checkpoint/checkpoint-plan.c checkpoint/checkpoint-plan.h \
	checkpoint/checkpoint-redefine.c \
	checkpoint/checkpoint-run.c checkpoint/checkpoint-run.h \
	checkpoint/checkpoint-settle.c checkpoint/checkpoint-settle.h \
	$(NULL)
libpullback_checkpoint_la_LIBADD = $(GLIB_LIBS) $(JSON_C_LIBS)

check_PROGRAMS += test-checkpoint-plan
TESTS += test-checkpoint-plan
test_checkpoint_plan_SOURCES = checkpoint/test-checkpoint-plan.c \
	checkpoint/test-fake-qemu.c checkpoint/test-fake-qemu.h qmp/test-qmp.h \
	$(NULL)
test_checkpoint_plan_LDADD = libpullback-checkpoint.la libpullback-steps.la \
	libpullback-quiesce.la libpullback-catalog.la libpullback-qmp.la \
	../proto/libpullback-proto.la

check_PROGRAMS += test-checkpoint-real
TESTS += test-checkpoint-real
test_checkpoint_real_SOURCES = checkpoint/test-checkpoint-real.c \
	checkpoint/test-checkpoint-vm.c checkpoint/test-checkpoint-vm.h \
	qmp/test-qmp-vm.c qmp/test-qmp-vm.h qmp/test-qmp.h \
	$(NULL)
test_checkpoint_real_LDADD = libpullback-checkpoint.la libpullback-backup.la \
	libpullback-quiesce.la libpullback-catalog.la libpullback-qmp.la \
	../proto/libpullback-proto.la
