"""The default task: image-text retrieval on composed scenes.

`prepare` makes the data, `score` judges predictions.
"""
