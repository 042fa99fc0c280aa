"""People and the bot: their commands, its answers, what it says of their experiments."""
