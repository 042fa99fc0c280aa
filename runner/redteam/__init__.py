"""Hostile candidates, run through the production path, and a judge that looks from outside."""
