"""The proposer `claude`: a Claude model that edits the allowed files with a few tools.

`proposer` is the public face; `prompt` says what the model is told, `tools` and `workbench`
what it can do, `talk` how the conversation goes, `api` is the only module that imports the
SDK, `reading` takes its answers in, `pricing` turns usage into dollars.
"""

from bot.proposers.claude.proposer import ClaudeProposer

__all__ = ["ClaudeProposer"]
