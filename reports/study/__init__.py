"""Votes become win rates, strengths and agreement."""
