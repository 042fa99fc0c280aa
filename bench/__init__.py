"""Figures on demand: `python -m bench NAME`. Never part of a timed test."""
