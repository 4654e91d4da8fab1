"""Records become tidy frames, tidy frames become tables and figures."""
