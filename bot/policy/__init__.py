"""What a pull request may change: the rules, and the readers of diffs and files that they need."""
