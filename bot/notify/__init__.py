"""Tells people elsewhere what they would not want to miss: by a webhook, or by a command."""
