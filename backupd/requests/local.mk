noinst_LTLIBRARIES += libpullback-requests.la
libpullback_requests_la_SOURCES = \
	requests/requests.c requests/requests.h \
	requests/requests-backup.c \
	requests/requests-begin.c requests/requests-begin.h \
	requests/requests-checkpoint.c \
	requests/requests-create.c \
	requests/requests-domain.c \
	requests/requests-domain-all.c requests/requests-domain-all.h \
	requests/requests-metrics.c \
	requests/requests-restore.c \
	requests/requests-restore-domain.c requests/requests-restore-domain.h \
	requests/requests-restore-as.c \
	requests/requests-restore-disks.c requests/requests-restore-disks.h \
	requests/requests-restore-machine.c requests/requests-restore-machine.h \
	requests/requests-restore-off.c \
	requests/requests-show.c requests/requests-show.h \
	$(NULL)
libpullback_requests_la_LIBADD = libpullback-domain.la libpullback-metrics.la \
	libpullback-restore.la
