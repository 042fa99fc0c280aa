"""Proposers: where hypotheses come from. `base` is the interface."""
