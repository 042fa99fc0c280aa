"""The default task: image-text retrieval on composed scenes. `prepare` makes data, `score` judges."""
