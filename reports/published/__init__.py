"""The papers' numbers as data, one file a paper. They stand beside ours and are never averaged with them."""
