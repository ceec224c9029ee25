if HAVE_LIBVIRT
sbin_PROGRAMS += pullback-libvirt
pullback_libvirt_SOURCES = \
	libvirt/libvirt-main.c libvirt/libvirt-greeting.h \
	libvirt/libvirt-admission.c libvirt/libvirt-admission.h \
	libvirt/libvirt-describe.c libvirt/libvirt-describe.h \
	libvirt/libvirt-hold.c libvirt/libvirt-hold.h \
	libvirt/libvirt-machine.c libvirt/libvirt-machine.h \
	libvirt/libvirt-names.c libvirt/libvirt-names.h \
	libvirt/libvirt-process.c libvirt/libvirt-process.h \
	libvirt/libvirt-turn.c libvirt/libvirt-turn.h \
	$(NULL)
pullback_libvirt_CPPFLAGS = $(AM_CPPFLAGS) $(LIBVIRT_CFLAGS)
pullback_libvirt_LDADD = ../proto/libpullback-json.la $(LIBVIRT_LIBS) \
	$(GLIB_LIBS) $(JSON_C_LIBS)
endif

noinst_LTLIBRARIES += libpullback-libvirt.la
libpullback_libvirt_la_SOURCES = \
	libvirt/libvirt-agent.c libvirt/libvirt-agent.h \
	libvirt/libvirt-definition.c libvirt/libvirt-definition.h \
	libvirt/libvirt-link.c libvirt/libvirt-link.h \
	libvirt/libvirt-listing.c libvirt/libvirt-listing.h \
	libvirt/libvirt-program.c libvirt/libvirt-program.h \
	libvirt/libvirt-turn.c libvirt/libvirt-turn.h \
	libvirt/libvirt-watch.c libvirt/libvirt-watch.h \
	$(NULL)
libpullback_libvirt_la_LIBADD = libpullback-process.la libpullback-qmp.la \
	$(GLIB_LIBS) $(JSON_C_LIBS)

EXTRA_DIST += libvirt/pullback-libvirt.pod
if HAVE_POD2MAN
man_MANS += libvirt/pullback-libvirt.8
endif
