noinst_LTLIBRARIES += libpullback-systemd.la
libpullback_systemd_la_SOURCES = systemd/systemd.c systemd/systemd.h
libpullback_systemd_la_CPPFLAGS = $(AM_CPPFLAGS) $(LIBSYSTEMD_CFLAGS)
libpullback_systemd_la_LIBADD = $(GLIB_LIBS) $(LIBSYSTEMD_LIBS)

systemdsystemunitdir = @systemdsystemunitdir@
sysusersdir = $(prefix)/lib/sysusers.d
tmpfilesdir = $(prefix)/lib/tmpfiles.d
systemdsystemunit_DATA = systemd/pullback-backupd.service
dist_sysusers_DATA = systemd/sysusers/pullback.conf
dist_tmpfiles_DATA = systemd/tmpfiles/pullback.conf
CLEANFILES += systemd/pullback-backupd.service
EXTRA_DIST += systemd/pullback-backupd.service.in

systemd/pullback-backupd.service: systemd/pullback-backupd.service.in Makefile
	$(AM_V_GEN)$(MKDIR_P) $(@D) && $(SED) -e 's|@sbindir[@]|$(sbindir)|' \
		$(srcdir)/systemd/pullback-backupd.service.in >$@.new && mv $@.new $@
