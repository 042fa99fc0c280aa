"""Measuring by GitHub Actions: attempts are asked for here, and what came of them is taken in.

Nothing is remembered between two steps: which run of `measure.yml` belongs to which attempt is
read from GitHub each time.
"""
