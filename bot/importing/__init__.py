"""`python -m bot init`: what an existing project is like, and files that let the bot work on it.

Guesses only, each of which is shown to the person before anything is written.
"""
