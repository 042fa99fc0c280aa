"""The report for people: one page, one chart, and the same chart as an image."""
