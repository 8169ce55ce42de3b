"""What exists at the start: organizations, users, keys, tokens and business rows, the same at every start."""
