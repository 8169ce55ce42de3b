"""The words of the connection form, for sentences about a connection: labels of fields, kinds of sign-in."""

from __future__ import annotations

import re

from airflow_provider_bill.exceptions import BillConfigurationError
from airflow_provider_bill.get_provider_info import CONNECTION_FIELDS, SIGN_INS

#: Stored kind of sign-in -> its name in the client and in older connections, where that is another.
_SHORT = {"password_v3": "v3", "password_v2": "v2"}
_WORDS = {_SHORT.get(stored, stored): words for stored, words in SIGN_INS.items()}
_WRITTEN = {
    written.casefold(): _SHORT.get(stored, stored)
    for stored, words in SIGN_INS.items()
    for written in (stored, words, _SHORT.get(stored, stored))
}
_KIND = re.compile(rf"\bsign_in\s({'|'.join(sorted(_WORDS, key=len, reverse=True))})\b")
_FIELDS = sorted(CONNECTION_FIELDS, key=len, reverse=True)
#: A name that is an ordinary word, such as "device", is meant only where "extra" stands before it.
_NAME = re.compile(rf"(?<!\()\b(?:extras? ({'|'.join(_FIELDS)})|({'|'.join(n for n in _FIELDS if '_' in n)}))\b(?!\))")


def kind_of(written: str) -> str:
    """Return the client's name of a kind of sign-in.

    :param written: as the form stores it, its words, or the short name of older connections; empty for the usual kind
    :raises BillConfigurationError: there is no such kind
    """
    kind = _WRITTEN.get(written.strip().casefold() or "v3")
    if kind is None:
        raise BillConfigurationError(
            f"the connection's {label_of('sign_in')} is none that exists",
            advice=f"use one of: {', '.join(SIGN_INS)}",
        )
    return kind


def words_of(kind: str) -> str:
    """Return the words for one of the client's kinds of sign-in."""
    return _WORDS[kind]


def label_of(name: str) -> str:
    """Return a field's label and its name, as a sentence names both; the form's own fields have but a name."""
    field = CONNECTION_FIELDS.get(name)
    return name if field is None else f'"{field["label"]}" ({name})'


def in_words(sentence: str) -> str:
    """Return a sentence of the client's in the words that the form shows."""
    sentence = _KIND.sub(lambda found: f'"{_WORDS[found[1]]}"', sentence)
    return _NAME.sub(lambda found: label_of(found[1] or found[2]), sentence)
