/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whether a client waits for the gateway, or since when the gateway waits for
 * the client.  Threads: any. */
#ifndef PULLBACK_GATEWAY_PULSE_H
#define PULLBACK_GATEWAY_PULSE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct pulse {
  pthread_mutex_t lock;         /* protects all below */
  unsigned owed;                /* answers */
  int64_t since_ms;             /* none is owed */
  bool paid;                    /* the client has had one */
};

void gateway_pulse_create (struct pulse *pulse);
void gateway_pulse_destroy (struct pulse *pulse);

/* The client has asked, the client has its answer. */
void gateway_pulse_owe (struct pulse *pulse);
void gateway_pulse_pay (struct pulse *pulse);

/* The client has done something, and waits for no more than before. */
void gateway_pulse_touch (struct pulse *pulse);

/* Has the client ever had an answer? */
bool gateway_pulse_has_paid (struct pulse *pulse);

/* Milliseconds since the client last had something to wait for; -1 if it
 * waits. */
int64_t gateway_pulse_quiet_ms (struct pulse *pulse);

#endif
