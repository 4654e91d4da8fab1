"""How far cached outputs are off, and what an error of that size does: the measurements behind MixCache's profile."""
