"""Measures what ``docs/measured.md`` says; ``python -m benchmarks`` writes tables and plots to ``results``."""
