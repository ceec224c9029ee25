/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The text format: families together, numbers exact, and label values that try to
 * get out of their quotes. */
#undef NDEBUG
#include <config.h>

#include <assert.h>
#include <math.h>
#include <string.h>

#include <glib.h>

#include "metrics-text.h"

static void
test_families (void)
{
  static const char want[] =
    "# HELP pullback_domains Registered domains.\n"
    "# TYPE pullback_domains gauge\n"
    "pullback_domains 2\n"
    "# HELP pullback_domain_connected Whether the daemon is connected to QEMU, "
    "as it is while it works.\n"
    "# TYPE pullback_domain_connected gauge\n"
    "pullback_domain_connected{domain=\"a\"} 1\n"
    "pullback_domain_connected{domain=\"b\"} 0\n";
  struct metrics_text *text = metrics_text_create ();
  g_autofree char *got = NULL;

  metrics_text_add (text, METRICS_CONNECTED, 1, "domain", "a", NULL);
  metrics_text_add (text, METRICS_DOMAINS, 2, NULL);
  metrics_text_add (text, METRICS_CONNECTED, 0, "domain", "b", NULL);
  got = metrics_text_finish (text);
  assert (strcmp (got, want) == 0);
}

static void
expect_value (double value, const char *want)
{
  struct metrics_text *text = metrics_text_create ();
  g_autofree char *got = NULL;

  metrics_text_add (text, METRICS_START, value, NULL);
  got = metrics_text_finish (text);
  assert (strcmp (strrchr (got, ' ') + 1, want) == 0);
}

static void
test_values (void)
{
  expect_value (0, "0\n");
  expect_value (17592186044416, "17592186044416\n");
  expect_value (1700000000.125, "1700000000.125\n");
  expect_value (0.0005, "0.0005\n");
  expect_value (INFINITY, "+Inf\n");
}

static void
expect_label (const char *value, const char *want)
{
  struct metrics_text *text = metrics_text_create ();
  g_autofree char *got = NULL, *line = NULL;

  metrics_text_add (text, METRICS_DISK_SIZE, 1, "domain", "vm1", "disk", value,
                    NULL);
  got = metrics_text_finish (text);
  line = g_strdup_printf ("\npullback_backup_disk_size_bytes{domain=\"vm1\","
                          "disk=\"%s\"} 1\n", want);
  assert (g_str_has_suffix (got, line));
}

static void
test_labels (void)
{
  expect_label ("vda", "vda");
  expect_label (NULL, "");
  expect_label ("a\"} 1\npullback_domains 7", "a\\\"} 1\\npullback_domains 7");
  expect_label ("a\\", "a\\\\");
  expect_label ("\033[2J\r", "?[2J?");
  expect_label ("\xc3\xa4", "\xc3\xa4");
  expect_label ("\xff", "\xef\xbf\xbd");
}

static void
test_histogram (void)
{
  static const double bounds[] = { 0.001, 0.25, INFINITY };
  static const uint64_t counts[] = { 5, 0, 2 };
  static const char want[] =
    "pullback_backup_scratch_wait_seconds_bucket{domain=\"a\",le=\"0.001\"} 5\n"
    "pullback_backup_scratch_wait_seconds_bucket{domain=\"a\",le=\"0.25\"} 5\n"
    "pullback_backup_scratch_wait_seconds_bucket{domain=\"a\",le=\"+Inf\"} 7\n"
    "pullback_backup_scratch_wait_seconds_sum{domain=\"a\"} 1.5\n"
    "pullback_backup_scratch_wait_seconds_count{domain=\"a\"} 7\n";
  struct metrics_text *text = metrics_text_create ();
  g_autofree char *got = NULL;

  metrics_text_add_histogram (text, METRICS_WAIT, 3, bounds, counts, 1.5,
                              "domain", "a", NULL);
  got = metrics_text_finish (text);
  assert (g_str_has_suffix (got, want));
}

int
main (void)
{
  test_families ();
  test_values ();
  test_labels ();
  test_histogram ();
  return 0;
}
