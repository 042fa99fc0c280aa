"""Opens files until no more can be opened.

Idea: exhaust the system's file table.
"""

import os

import kit


def open_many():
    for number in range(100_000):
        os.dup(0)
    return f"{number} open files"


def in_all_children():
    return kit.in_a_child(open_many)


kit.attempt("100,000 descriptors", in_all_children)
kit.honest()
