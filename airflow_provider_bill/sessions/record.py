"""What is stored about a session: readable facts for people, and the secret sealed.

Sealed means: AES-256-GCM under a key derived from the connection's own secrets (HKDF-SHA256 where Airflow encrypts what
is stored, scrypt where it does not), with the readable
facts and the identity as associated data. Whoever can read the connection can open the record; whoever reads only
the store cannot. A changed password, host or organization, or a changed fact, makes the record a plain miss.
"""

from __future__ import annotations

import base64
import json
import logging
import os
from collections.abc import Iterable, Mapping
from typing import Any

import pendulum
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from airflow_provider_bill.client.secret import SecretBytes
from airflow_provider_bill.client.session import BillSession
from airflow_provider_bill.sessions.derivation import costly_key
from airflow_provider_bill.sessions.identity import Identity
from airflow_provider_bill.sessions.times import from_optional_text, from_text, to_text

log = logging.getLogger(__name__)

VERSION = 1
_SALT_BYTES = 16
_NONCE_BYTES = 12


class Seal:
    """Seals secrets into JSON documents and opens them again.

    :param purpose: what the documents are, such as ``session``; one kind never opens as another
    :param identity: what they belong to
    :param secrets: the connection's own secrets, from which the key is derived
    :param exposed: whether the documents lie where more people read them than the connection, as in XCom: then the
        key is derived at a cost that makes guessing a password hopeless
    """

    def __init__(self, purpose: str, identity: Identity, secrets: Iterable[str], *, exposed: bool = False) -> None:
        self._binding = json.dumps(
            [purpose, identity.conn_id, identity.organization_id, identity.kind, identity.environment]
        )
        # JSON keeps the parts apart: ("ab", "c") and ("a", "bc") are different keys.
        self._material = SecretBytes(json.dumps(list(secrets)).encode())
        self._exposed = exposed
        self._salt = b""
        self._ignored = ""

    def seal(self, facts: Mapping[str, Any], secret: Mapping[str, Any]) -> str:
        """Return one JSON document of readable facts and a sealed secret."""
        readable = {"v": VERSION, **facts}
        # A salt serves for as long as it is known here, so that a costly key is derived once for a session.
        self._salt = salt = self._salt or os.urandom(_SALT_BYTES)
        nonce = os.urandom(_NONCE_BYTES)
        text = json.dumps(dict(secret)).encode()
        sealed = salt + nonce + self._cipher(salt).encrypt(nonce, text, self._associated(readable))
        return json.dumps({**readable, "sealed": base64.urlsafe_b64encode(sealed).decode()})

    def open(self, document: str | None) -> tuple[dict[str, Any], dict[str, Any]] | None:
        """Return the facts and the secret, or None for whatever cannot be opened."""
        if not document:
            return None
        try:
            readable = json.loads(document)
            sealed = base64.urlsafe_b64decode(readable.pop("sealed"))
            if readable["v"] != VERSION:
                raise ValueError(f"version {readable['v']!r}")
            salt, nonce, rest = sealed[:16], sealed[16:28], sealed[28:]
            text = self._cipher(salt).decrypt(nonce, rest, self._associated(readable))
            self._salt = salt
            return readable, json.loads(text)
        except InvalidTag:
            self._ignore(document, "was made with other credentials or was changed")
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            # The error's text could quote the document: its type says enough.
            self._ignore(document, f"is unreadable ({type(error).__name__})")
        return None

    def _ignore(self, document: str, why: str) -> None:
        """Say once of each document that it is ignored; a sign-in looks at it several times."""
        if document != self._ignored:
            self._ignored = document
            log.info("A stored BILL record %s; it is ignored.", why)

    def _cipher(self, salt: bytes) -> AESGCM:
        if self._exposed:
            return AESGCM(costly_key(self._material, salt))
        hkdf = HKDF(algorithm=SHA256(), length=32, salt=salt, info=b"airflow-provider-bill record")
        return AESGCM(hkdf.derive(self._material))

    def _associated(self, readable: Mapping[str, Any]) -> bytes:
        return f"{self._binding}{json.dumps(readable, sort_keys=True)}".encode()


def seal_session(seal: Seal, session: BillSession, about: Mapping[str, str] | None = None) -> str:
    """Return the record of a session.

    :param about: whose it is, for people; without a secret
    """
    return seal.seal(
        {
            **(about or {}),
            "organization_id": session.organization_id,
            "user_id": session.user_id,
            "trusted": session.trusted,
            "signed_in_at": to_text(session.signed_in_at),
            "last_used_at": to_text(session.last_used_at),
            "expires_at": to_text(session.expires_at),
            "signed_in_by": dict(session.signed_in_by),
        },
        {
            "session_token": session.session_token,
            "partner_token": session.partner_token,
            "api_endpoint": session.api_endpoint,
            "idle_limit": session.idle_limit.total_seconds() if session.idle_limit else None,
            "ends_at": to_text(session.ends_at),
            "renewals": session.renewals,
        },
    )


def open_session(seal: Seal, document: str | None) -> BillSession | None:
    """Read the record of a session; None for whatever cannot be opened."""
    opened = seal.open(document)
    if opened is None:
        return None
    facts, secret = opened
    idle_limit = secret["idle_limit"]
    return BillSession(
        session_token=secret["session_token"],
        partner_token=secret.get("partner_token", ""),
        organization_id=facts["organization_id"],
        user_id=facts["user_id"],
        api_endpoint=secret["api_endpoint"],
        trusted=facts["trusted"],
        signed_in_at=from_text(facts["signed_in_at"]),
        last_used_at=from_text(facts["last_used_at"]),
        idle_limit=None if idle_limit is None else pendulum.duration(seconds=idle_limit),
        ends_at=from_optional_text(secret["ends_at"]),
        signed_in_by=facts["signed_in_by"],
        renewals=secret.get("renewals", 0),
    )
