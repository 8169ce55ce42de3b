"""A search for secrets that finds them in every form."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from urllib.parse import quote

import pytest

from airflow_provider_bill.sandbox.state.request_log import fingerprint
from dev.leaks import found, found_by_fingerprint

SECRET = 'Pa55 "word"/ü+more'


@pytest.mark.parametrize(
    "written",
    [
        str,
        json.dumps,
        repr,
        lambda secret: quote(secret, safe=""),
        lambda secret: secret.encode().hex(),
        *(
            lambda secret, before=before, after=after: base64.b64encode((before + secret + after).encode()).decode()
            for before, after in (("", ""), ("a", "b"), ("ab", "cd"), ("abc", "xyz"))
        ),
    ],
)
def test_a_secret_is_found_however_it_is_written(written: Callable[[str], str]) -> None:
    hits = found([SECRET, "another one"], {"here": f"before {written(SECRET)} after", "there": "nothing of it"})
    assert hits
    assert all(hit.endswith(" in here") and hit.startswith(fingerprint(SECRET)) for hit in hits)


def test_what_is_known_by_its_fingerprint_is_found() -> None:
    known = fingerprint("a-session-id-of-some-length")
    assert found_by_fingerprint([known], {"a": 'x="a-session-id-of-some-length"', "b": "a-session-id"}) == [
        f"{known} in a"
    ]
