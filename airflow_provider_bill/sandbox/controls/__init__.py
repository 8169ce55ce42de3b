"""The controls under ``/_sandbox``, for tests and people."""
