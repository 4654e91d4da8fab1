"""`harness train RUNG CONFIG`: a rung of the distillation ladder, trained on anybody's clips for any family."""
