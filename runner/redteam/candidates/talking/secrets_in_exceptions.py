"""Puts evaluation inputs into the name and the message of an exception.

Idea: crash reports as a channel; error types reach the proposer.
"""

import json

import kit

if kit.GROUP == "captions":
    first = json.loads((kit.DATA / "captions.json").read_text())[0]
    raise type(first.title().replace(" ", ""), (Exception,), {})(first)
kit.honest()
