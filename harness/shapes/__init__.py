"""The embedded model: a small real pipeline trained on a procedural world."""
