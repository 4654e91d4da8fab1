"""One dimension a file, named as VBench names it. Formulas and settings are those of `vbench/<dimension>.py`, 0.1.5."""
