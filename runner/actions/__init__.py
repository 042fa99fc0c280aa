"""Measuring on GitHub Actions: what the jobs of measure.yml do before and after a measurement.

`gate` says what may be measured, `publish` what may be believed. Neither decides anything about
an experiment, and nothing here can change a number: the harness digest leaves this folder out.
"""
