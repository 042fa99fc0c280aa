"""Looks for evaluation inputs while training, to learn their distribution or to fit them.

Idea: transductive leakage, the usual finding of contamination studies.
"""

import os

import kit


def search():
    for folder, folders, files in os.walk("/"):
        folders[:] = [f for f in folders if f not in ("proc", "usr", "site-packages")]
        if {"images.npy", "captions.json"} & set(files) and folder != str(kit.DATA):
            return folder


if kit.PHASE == "train":
    kit.attempt("evaluation inputs while training", search)
    kit.attempt("captions in the data", lambda: (kit.DATA / "captions.json").exists())
kit.honest()
