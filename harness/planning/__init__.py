"""Parts of the plan: models, method configurations, first frames, rows that are only priced."""
