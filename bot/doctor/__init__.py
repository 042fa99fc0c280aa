"""Whether a step could begin here: every part that it needs is looked at, none is changed."""
