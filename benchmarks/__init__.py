"""Measures what the README claims; ``python -m benchmarks`` writes tables and plots to ``benchmarks/results``."""
