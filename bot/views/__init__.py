"""What people read: pull requests, progress, summaries, tables."""
