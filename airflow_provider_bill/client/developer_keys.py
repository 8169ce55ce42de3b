"""Developer keys by organization, for users whose organizations have a key each, such as an accountant's clients.

Source: https://developer.bill.com/docs/bill-accountant-console-operations.
"""

from __future__ import annotations

import json
import re

from airflow_provider_bill.client.secret import Secret
from airflow_provider_bill.exceptions import BillConfigurationError

_FIELD = "the connection's extra developer_api_keys"
_HEADER_SAFE = re.compile(r"[!-~]+")


def developer_keys(text: str) -> dict[str, Secret]:
    """Return the developer key of each organization.

    :param text: a JSON object of organization ids and keys, as text; empty for none
    :raises BillConfigurationError: it is something else, or holds what cannot be a key; no key is repeated
    """
    if not text.strip():
        return {}
    try:
        keys = json.loads(text, object_pairs_hook=_by_organization)
    except (ValueError, RecursionError):
        keys = None
    if not isinstance(keys, dict):
        raise BillConfigurationError(
            f"{_FIELD} is not a JSON object", advice='write it like {"008...": "the key", "008...": "another"}'
        )
    return {organization: _key(organization, key) for organization, key in keys.items()}


def _by_organization(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found: dict[str, object] = {}
    for name, key in pairs:
        organization = name.strip()
        if found.setdefault(organization, key) != key:
            raise BillConfigurationError(
                f"{_FIELD} holds for organization {organization[:64]!r} two keys", advice="leave the older one out"
            )
    return found


def _key(organization: str, key: object) -> Secret:
    of = f"{_FIELD} holds for organization {organization[:64]!r}"
    if not organization.strip():
        raise BillConfigurationError(f"{_FIELD} holds a key for no organization", advice="name it by its id (008...)")
    if not isinstance(key, str) or not key.strip():
        found = "a blank key" if isinstance(key, str) else f"{type(key).__name__} instead of a key"
        raise BillConfigurationError(f"{of} {found}", advice="give its developer key as text, or leave it out")
    if not _HEADER_SAFE.fullmatch(key.strip()):
        raise BillConfigurationError(
            f"{of} a space or a character that no key contains", advice="copy it again, without what stands around it"
        )
    return Secret(key.strip())
