"""Decides: proposes experiments, opens, judges, merges or closes them, and reports.

Nothing in this package runs candidate code; that is `runner`'s trade.
"""

__version__ = "0.1.0"
