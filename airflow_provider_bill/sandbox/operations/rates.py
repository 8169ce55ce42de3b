"""The exchange rates of the local BILL: made up, and the same at every start."""

from __future__ import annotations

_RATES = {
    "USD": 1.0,
    "AUD": 1.5,
    "CAD": 1.36,
    "CHF": 0.88,
    "DKK": 6.9,
    "EUR": 0.92,
    "GBP": 0.79,
    "INR": 83.0,
    "JPY": 150.0,
}
_OTHERS = 10.0
"""What one US dollar is in any other currency."""


def find_rate(currency: str) -> float:
    """Return what one US dollar is in a currency."""
    return _RATES.get(currency, _OTHERS)
