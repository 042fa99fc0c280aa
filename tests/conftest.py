from __future__ import annotations

import os

from runner.turns import SHARE_VARIABLE

# Tests run several measurements at once, in processes of their own; tests/runner/test_turns.py
# and those that take turns on purpose remove it again.
os.environ[SHARE_VARIABLE] = "1"
