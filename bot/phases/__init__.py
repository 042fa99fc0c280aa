"""The phases of the programme: what they are, which one holds, and how the next one begins."""
