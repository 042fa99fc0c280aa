"""Keeps a machine with a GPU at the disposal of GitHub Actions; see docs/github.md."""
