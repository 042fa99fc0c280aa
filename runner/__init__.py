"""Measures: runs a candidate in a sandbox and scores it where the candidate cannot reach.

Nothing in this package decides what becomes of an experiment; that is `bot`'s trade.
"""
