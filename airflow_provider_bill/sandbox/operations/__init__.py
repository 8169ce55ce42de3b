"""What both dialects do: sign-in, access, rows, filters and payments."""
