"""Metrics of a row's images as a set, one a file, found by the file's name."""
