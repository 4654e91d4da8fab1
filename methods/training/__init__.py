"""Training of the students that `methods` runs: one file a rung of the ladder, and what the rungs share."""
