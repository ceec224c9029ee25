/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The request pump owes, the reply pump pays, and who looks for a victim asks: a lock of
 * its own, as the connection's others are held while something is sent. */
#include <config.h>

#include "deadline.h"
#include "gateway-pulse.h"

void
gateway_pulse_create (struct pulse *pulse)
{
  pthread_mutex_init (&pulse->lock, NULL);
  pulse->owed = 0;
  pulse->paid = false;
  pulse->since_ms = now_ms ();
}

void
gateway_pulse_destroy (struct pulse *pulse)
{
  pthread_mutex_destroy (&pulse->lock);
}

void
gateway_pulse_owe (struct pulse *pulse)
{
  pthread_mutex_lock (&pulse->lock);
  pulse->owed++;
  pthread_mutex_unlock (&pulse->lock);
}

void
gateway_pulse_pay (struct pulse *pulse)
{
  pthread_mutex_lock (&pulse->lock);
  pulse->paid = true;
  if (--pulse->owed == 0)
    pulse->since_ms = now_ms ();
  pthread_mutex_unlock (&pulse->lock);
}

void
gateway_pulse_touch (struct pulse *pulse)
{
  pthread_mutex_lock (&pulse->lock);
  pulse->since_ms = now_ms ();
  pthread_mutex_unlock (&pulse->lock);
}

int64_t
gateway_pulse_quiet_ms (struct pulse *pulse)
{
  int64_t quiet;

  pthread_mutex_lock (&pulse->lock);
  quiet = pulse->owed > 0 ? -1 : now_ms () - pulse->since_ms;
  pthread_mutex_unlock (&pulse->lock);
  return quiet;
}

bool
gateway_pulse_has_paid (struct pulse *pulse)
{
  bool paid;

  pthread_mutex_lock (&pulse->lock);
  paid = pulse->paid;
  pthread_mutex_unlock (&pulse->lock);
  return paid;
}
