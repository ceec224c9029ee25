sbin_PROGRAMS += pullback-quiesce
pullback_quiesce_SOURCES = \
	quiesce/quiesce-main.c quiesce/quiesce.h \
	quiesce/quiesce-agent.c quiesce/quiesce-agent.h \
	$(NULL)
pullback_quiesce_LDADD = libpullback-libvirt.la \
	../proto/libpullback-json.la $(GLIB_LIBS) $(JSON_C_LIBS)

noinst_LTLIBRARIES += libpullback-quiesce.la
libpullback_quiesce_la_SOURCES = \
	quiesce/quiesce.c quiesce/quiesce.h \
	quiesce/quiesce-journal.c quiesce/quiesce-journal.h \
	$(NULL)
libpullback_quiesce_la_LIBADD = libpullback-process.la $(GLIB_LIBS) \
	$(JSON_C_LIBS)

EXTRA_DIST += quiesce/pullback-quiesce.pod
if HAVE_POD2MAN
man_MANS += quiesce/pullback-quiesce.8
endif
