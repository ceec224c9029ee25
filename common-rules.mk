# SPDX-License-Identifier: LGPL-2.1-or-later
# Included by every Makefile.am.
NULL =

AM_CPPFLAGS = \
	-I$(top_srcdir)/proto/base \
	-I$(top_srcdir)/proto/fleece \
	-I$(top_srcdir)/proto/nbd \
	-I$(top_srcdir)/proto/handover \
	-I$(top_srcdir)/proto/pace \
	-I$(top_srcdir)/proto/qcow2 \
	-I$(top_srcdir)/proto/control \
	$(NULL)
AM_CFLAGS = $(WARNINGS_CFLAGS) $(SANITIZERS_CFLAGS) -pthread
AM_LDFLAGS = $(SANITIZERS_CFLAGS) -pthread

# Of one test, seconds.
LIMIT = 300
LOG_COMPILER = timeout -k 20 $(LIMIT) $(top_builddir)/run
TEST_EXTENSIONS = .sh .py
SH_LOG_COMPILER = $(LOG_COMPILER)
PY_LOG_COMPILER = $(LOG_COMPILER) $(PYTHON3)

if HAVE_POD2MAN
%.1: %.pod
	$(AM_V_GEN)$(POD2MAN) -u --section=1 --name=`basename $@ .1` --center=pullback --release="$(VERSION)" $< $@
%.5: %.pod
	$(AM_V_GEN)$(POD2MAN) -u --section=5 --name=`basename $@ .5` --center=pullback --release="$(VERSION)" $< $@
%.7: %.pod
	$(AM_V_GEN)$(POD2MAN) -u --section=7 --name=`basename $@ .7` --center=pullback --release="$(VERSION)" $< $@
%.8: %.pod
	$(AM_V_GEN)$(POD2MAN) -u --section=8 --name=`basename $@ .8` --center=pullback --release="$(VERSION)" $< $@
endif
