"""Text made safe and readable, wherever it comes from and wherever it goes."""
