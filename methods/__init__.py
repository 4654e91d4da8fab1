"""Acceleration methods, one a file. Nothing here knows about the harness around it."""
