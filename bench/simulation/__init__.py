"""Whole histories of a project, faults included, from one seed each: see `bench.simulate`.

The bot is the production code: `decide`, the executor, the proposing, the embedded forge, and
git itself. Simulated are time, the runner's numbers, the proposer, people, and everything that
goes wrong. One seed gives one history, to the byte.
"""
