"""The loop: one scheduler for `bot step` and `bot run`."""
