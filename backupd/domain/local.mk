noinst_LTLIBRARIES += libpullback-domain.la
libpullback_domain_la_SOURCES = \
	domain/domain.c domain/domain.h \
	domain/domain-chain.c domain/domain-chain.h \
	domain/domain-disks.c domain/domain-disks.h \
	domain/domain-ending.c domain/domain-ending.h \
	domain/domain-folders.c domain/domain-folders.h \
	domain/domain-history.c domain/domain-history.h \
	domain/domain-identity.c domain/domain-identity.h \
	domain/domain-libvirt.c domain/domain-libvirt.h \
	domain/domain-link.c domain/domain-link.h \
	domain/domain-recovery.c domain/domain-recovery.h \
	domain/domain-registration.c domain/domain-registration.h \
	domain/domain-registry.c domain/domain-registry.h \
	domain/domain-restore.c domain/domain-restore.h \
	domain/domain-thread.c domain/domain-thread.h \
	domain/domain-watch.c domain/domain-watch.h \
	$(NULL)
libpullback_domain_la_LIBADD = libpullback-libvirt.la libpullback-backup.la libpullback-xml.la \
	libpullback-checkpoint.la libpullback-catalog.la \
	libpullback-qmp.la ../proto/libpullback-control.la \
	$(GLIB_LIBS) $(JSON_C_LIBS)

check_PROGRAMS += test-domain-history
TESTS += test-domain-history
test_domain_history_SOURCES = domain/test-domain-history.c
test_domain_history_LDADD = libpullback-domain.la \
	../proto/libpullback-proto.la
