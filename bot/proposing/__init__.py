"""From an idea to a pull request."""
