"""Looks for the captions while predicting images, and for the images while predicting captions.

Idea: with both sides at hand, pairs can be matched jointly (Hungarian algorithm).
"""

import os

import kit


def search(wanted):
    for folder, folders, files in os.walk("/"):
        folders[:] = [f for f in folders if f not in ("proc", "usr", "site-packages")]
        if wanted in files:
            return os.path.join(folder, wanted)


if kit.PHASE == "predict":
    other = {"images": "captions.json", "captions": "images.npy"}[kit.GROUP]
    kit.attempt(f"{other} in the sandbox of {kit.GROUP}", lambda: search(other))
    kit.attempt("training data", lambda: search("annotations.jsonl"))
kit.honest()
