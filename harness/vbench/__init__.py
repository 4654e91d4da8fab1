"""VBench 0.1.5: its prompts, names, arithmetic and submissions. Nothing of the package is imported here."""
