"""The embedded ladder: a small HunyuanVideo on the procedural world, to distil students and predictors from."""
