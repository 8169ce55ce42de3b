"""Keeps the secrets met so far, and takes them out of texts."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable
from urllib.parse import quote, quote_plus

from airflow_provider_bill.client.secret import MASK

#: A shorter "secret" would tear holes into ordinary words.
SHORTEST = 4


def written_forms(secret: str) -> set[str]:
    """Return how a secret stands in texts: as it is, in JSON, in a ``repr``, in an address or a form."""
    plain = str(secret)
    forms = (plain, json.dumps(plain)[1:-1], repr(plain)[1:-1], quote(plain, safe=""), quote_plus(plain))
    return {form for form in forms if form}


class Redactor:
    """Knows every secret that a client has met.

    :param on_secret: told each secret once, the moment it is known; such as Airflow's ``mask_secret``
    """

    def __init__(self, on_secret: Callable[[str], None] | None = None) -> None:
        self._on_secret = on_secret
        self._known: set[str] = set()
        self._lock = threading.Lock()
        #: How all that are long enough may be written, the longest first: worked out once, used for each call.
        self._forms: tuple[str, ...] = ()

    def add(self, secrets: Iterable[str]) -> None:
        """Remember secrets and pass each new one on."""
        for secret in secrets:
            if secret and secret not in self._known:
                with self._lock:  # of two threads, the slower must not put back forms that lack the other's secret
                    self._known.add(secret)
                    self._forms = self._written()
                if self._on_secret is not None:
                    self._on_secret(secret)

    def redact(self, text: str) -> str:
        """Return the text with every secret replaced, also where it stands in JSON or in a form."""
        for form in self._forms:
            text = text.replace(form, MASK)
        return text

    def _written(self) -> tuple[str, ...]:
        long_enough = [secret for secret in self._known if len(secret) >= SHORTEST]
        return tuple(sorted(set().union(*map(written_forms, long_enough)), key=len, reverse=True))
