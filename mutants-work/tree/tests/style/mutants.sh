#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# What tests/mutants makes wrong is still there, word for word: who moves code
# moves the mutants' text with it.
cd "$PULLBACK_SRCDIR" || exit 1
exec "$PULLBACK_SRCDIR/tests/mutants/run.py" --look
