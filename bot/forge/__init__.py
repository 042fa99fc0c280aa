"""Forges: where pull requests live. `base` is the interface, `git` the embedded one."""
