noinst_LTLIBRARIES += libpullback-checkpoint.la
libpullback_checkpoint_la_SOURCES = \
	checkpoint/checkpoint.h \
	checkpoint/checkpoint-chain.c checkpoint/checkpoint-chain.h \
	checkpoint/checkpoint-create.c \
	checkpoint/checkpoint-delete.c \
	checkpoint/checkpoint-disks.c checkpoint/checkpoint-disks.h \
	checkpoint/checkpoint-redefine.c \
	checkpoint/checkpoint-settle.c checkpoint/checkpoint-settle.h \
	$(NULL)
libpullback_checkpoint_la_CPPFLAGS = $(AM_CPPFLAGS) \
	-I$(srcdir)/qmp -I$(srcdir)/catalog -I$(srcdir)/job \
	-I$(srcdir)/checkpoint $(GLIB_CFLAGS) $(JSON_C_CFLAGS) \
	$(NULL)
libpullback_checkpoint_la_LIBADD = $(GLIB_LIBS) $(JSON_C_LIBS)
