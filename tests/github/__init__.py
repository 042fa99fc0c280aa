"""A stateful model of GitHub: its REST API and its git transport over a real bare repository.

`state` holds what GitHub knows, the route modules say what each call does, `server` speaks
HTTP, `faults` lets things go wrong. Start it in a test with `running(model)`, or in a process
of its own with `python -m tests.github REPOSITORY`.
"""
