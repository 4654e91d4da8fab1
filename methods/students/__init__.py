"""What distilled students share: their artefacts, their extra conditions, and how they stand in for the original."""
