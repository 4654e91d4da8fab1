"""The rungs that can be trained, one a file; a file's name is that of the rung, and of the method that runs it."""
