/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <stddef.h>

#include "gateway-thread.h"

#define STACK_SIZE (256 << 10)

int
gateway_thread_start (void *(*function) (void *), void *argument,
                      pthread_t *thread)
{
  pthread_attr_t attributes;
  pthread_t ignored;
  int error;

  error = pthread_attr_init (&attributes);
  if (error != 0)
    return -error;
  error = pthread_attr_setstacksize (&attributes, STACK_SIZE);
  if (error == 0 && thread == NULL)
    error = pthread_attr_setdetachstate (&attributes, PTHREAD_CREATE_DETACHED);
  if (error == 0)
    error = pthread_create (thread != NULL ? thread : &ignored, &attributes,
                            function, argument);
  pthread_attr_destroy (&attributes);
  return -error;
}
