/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* However many connections want all they can get, together they never have
 * more than is there, each has its least, and what is given back serves the
 * next one. */
#include <config.h>

#undef NDEBUG
#include <assert.h>
#include <stddef.h>

#include "gateway-budget.h"

#define CONNECTIONS 256

static void
check_all_at_once (void)
{
  uint32_t shares[CONNECTIONS];
  uint64_t sum = 0;
  size_t i;

  for (i = 0; i < CONNECTIONS; i++) {
    shares[i] = gateway_budget_raise (BUDGET_LEAST);
    assert (shares[i] >= BUDGET_LEAST && shares[i] <= BUDGET_MOST);
    assert (i == 0 || shares[i] <= shares[i - 1]);
    sum += shares[i];
  }
  assert (shares[0] == BUDGET_MOST);
  assert (shares[CONNECTIONS - 1] < BUDGET_MOST);
  assert (sum <= (uint64_t) CONNECTIONS * BUDGET_LEAST + BUDGET_SPARE);
  /* Nothing more however often one asks. */
  for (i = 0; i < CONNECTIONS; i++)
    assert (shares[i] == BUDGET_MOST ||
            gateway_budget_raise (shares[i]) == shares[i]);
  for (i = 0; i < CONNECTIONS; i++)
    gateway_budget_return (shares[i]);
}

int
main (void)
{
  unsigned rounds;

  for (rounds = 0; rounds < 1000; rounds++)
    check_all_at_once ();
  return 0;
}
