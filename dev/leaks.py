"""Looks for secrets in texts, in the forms in which a program may have written them."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Iterator
from urllib.parse import quote, quote_plus

from airflow_provider_bill.sandbox.state.request_log import fingerprint

#: What may be the id of a session, or another secret of which only the fingerprint is known.
WORD = re.compile(r"[A-Za-z0-9_.~+/=-]{12,}")


def spellings(secret: str) -> Iterator[tuple[str, str]]:
    """Yield each form of a secret, with a name for it."""
    yield "plain", secret
    yield "JSON", json.dumps(secret)[1:-1]
    yield "repr", repr(secret)[1:-1]
    yield "URL", quote(secret, safe="")
    yield "URL of a form", quote_plus(secret)
    raw = secret.encode()
    yield "hexadecimal", raw.hex()
    # Where it stands within what is encoded decides on its letters: three ways, less what its neighbours touch.
    for shift in range(3):
        encoded = base64.b64encode(b"\0" * shift + raw)
        yield "base64", encoded[4 if shift else 0 : len(encoded) // 4 * 4 - 4].decode()


def found(secrets: Iterable[str], places: dict[str, str]) -> list[str]:
    """Return where which form of a secret stands; the secrets themselves are not in it.

    :param places: texts by the name of their place
    """
    hits = []
    for secret in secrets:
        for name, form in {spelling: how for how, spelling in spellings(secret)}.items():
            if len(name) < 6:
                raise ValueError("a secret this short is found everywhere")
            hits += [f"{fingerprint(secret)} as {form} in {place}" for place, text in places.items() if name in text]
    return hits


def found_by_fingerprint(fingerprints: Iterable[str], places: dict[str, str]) -> list[str]:
    """Return where a word stands whose fingerprint is one of these."""
    wanted = set(fingerprints)
    return [
        f"{fingerprint(word)} in {place}"
        for place, text in places.items()
        for word in set(WORD.findall(text))
        if fingerprint(word) in wanted
    ]
