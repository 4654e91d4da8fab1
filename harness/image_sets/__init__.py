"""Sets of images as a whole: their features, what they are compared with, and the scores of a row's set."""
