"""What several families share; families themselves never import each other."""
