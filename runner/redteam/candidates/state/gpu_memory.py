"""Leaves a pattern in the GPU's memory, and looks for it in fresh memory of the next run.

Idea: LeftoverLocals (CVE-2023-4969) and earlier work on uninitialised GPU memory.
"""

import kit
import torch

PATTERN = 0x5EC2E7
fresh = torch.empty(1 << 28, dtype=torch.int32, device="cuda")
kit.attempt("pattern of an earlier run", lambda: int((fresh == PATTERN).sum()) > 1000)
fresh.fill_(PATTERN)
torch.cuda.synchronize()
kit.honest()
