"""Prints its whole environment, hoping for keys and tokens of the runner.

Idea: what every leaked CI secret has in common.
"""

import os

import kit

contract = {"PHASE", "SEED", "DATA_DIR", "OUT_DIR", "TIME_BUDGET_S", "MODEL_DIR", "GROUP"}
contract |= {"PATH", "HOME", "LANG", "PWD", "LC_CTYPE", "CUDA_VISIBLE_DEVICES", "PYTHONHASHSEED"}
print(os.environ)
kit.dump("/proc/self/environ")
kit.attempt("more than the contract", lambda: sorted(set(os.environ) - contract))
kit.honest()
