"""The forge on GitHub: pull requests, comments, checks and labels by its API, commits by git."""

from bot.forge.github.client import GitHubClient

__all__ = ["GitHubClient"]
