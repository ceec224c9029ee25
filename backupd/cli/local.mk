bin_PROGRAMS += pullback
pullback_SOURCES = \
	cli/cli-client.c cli/cli-client.h \
	cli/cli-command.c cli/cli-command.h \
	cli/cli-complete.c cli/cli-complete.h \
	cli/cli-folder.c cli/cli-folder.h \
	cli/cli-help.c cli/cli-help.h \
	cli/cli-leftover.c cli/cli-leftover.h \
	cli/cli-private.c cli/cli-private.h \
	cli/cli-run.c cli/cli-run.h \
	cli/cli-script.c cli/cli-script.h \
	cli/cli-table.c cli/cli-table.h \
	cli/cli-view.c cli/cli-view.h \
	cli/cli-view-backup.c \
	cli/cli-view-checkpoint.c \
	cli/cli-view-domain.c \
	cli/cli-view-restore.c \
	cli/pullback.c \
	$(NULL)
pullback_LDADD = libpullback-process.la ../proto/libpullback-control.la $(GLIB_LIBS) $(JSON_C_LIBS)

bashcompdir = $(datadir)/bash-completion/completions
dist_bashcomp_DATA = cli/pullback.bash
zshcompdir = $(datadir)/zsh/site-functions
dist_zshcomp_DATA = cli/pullback.zsh
# The shells find it by the command's name.
install-data-hook:
	cd $(DESTDIR)$(bashcompdir) && mv -f pullback.bash pullback
	cd $(DESTDIR)$(zshcompdir) && mv -f pullback.zsh _pullback
uninstall-hook:
	rm -f $(DESTDIR)$(bashcompdir)/pullback
	rm -f $(DESTDIR)$(zshcompdir)/_pullback

EXTRA_DIST += cli/pullback.pod
if HAVE_POD2MAN
man_MANS += cli/pullback.1
cli/pullback.1: cli/$(am__dirstamp)
endif
