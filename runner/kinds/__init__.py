"""Kinds of tasks: one interface (`base`), the default task, scripts that report their metric."""
