"""Spend & Expense under ``/connect/v3/spend``: an ``apiToken`` header or a Bearer token, no sign-in."""
