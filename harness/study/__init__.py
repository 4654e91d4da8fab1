"""Blind pairwise comparison of a suite's videos by people: who is asked what, the votes, and the page to vote on."""
