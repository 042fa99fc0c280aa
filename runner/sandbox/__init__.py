"""Sandboxes: one interface (`base`), several backends, and the choice among them."""
