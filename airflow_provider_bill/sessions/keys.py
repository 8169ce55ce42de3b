"""The keys under which things are stored; in Airflow they are the names of Variables, which people see.

Airflow masks the value of a Variable whose name holds the word ``token``.
"""

from __future__ import annotations

import hashlib
import hmac
import json

from airflow_provider_bill.sessions.derivation import costly_key
from airflow_provider_bill.sessions.identity import Identity

#: The longest name of a Variable.
LONGEST = 250


def session_key(identity: Identity) -> str:
    """Return the key of the session's record, in any store."""
    return _fitting(_session(identity))


def trust_key(identity: Identity) -> str:
    """Return the key of the note about which session has passed MFA, beside its record."""
    return _fitting(_session(identity), "__trusted")


def device_key(identity: Identity, mfa_user: str) -> str:
    """Return the key of the record of the devices that BILL remembers for a user."""
    return f"bill_device_token__{_user(identity, mfa_user)}"


def device_seal_key(identity: Identity, mfa_user: str) -> str:
    """Return the key of what seals that record."""
    return f"bill_device_token_key__{_user(identity, mfa_user)}"


def device_refusals_key(identity: Identity, mfa_user: str) -> str:
    """Return the key of the note about devices that BILL does not honour."""
    return f"bill_device_refused__{_user(identity, mfa_user)}"


def old_device_key(identity: Identity) -> str:
    """Return the key under which a device was kept for one connection and organization."""
    return _fitting(f"bill_device_token__{_organization(identity)}")


def credentials_note_key(identity: Identity, user: bytes, developer_key: str = "") -> str:
    """Return the key of the note about credentials that BILL refused, or has just accepted.

    :param user: all that decides where and as whom to sign in; the name must not help to guess it
    :param developer_key: goes with it; empty for a note about the user, whatever key goes with it
    """
    return f"bill_sign_in__{_credentials(user, developer_key)}{_team(identity)}"


def organization_note_key(identity: Identity, user: bytes, developer_key: str = "") -> str:
    """Return the key of the note about an organization that BILL refused to these credentials, or locked."""
    digest = _credentials(user, developer_key)
    return f"bill_sign_in__{digest}__{identity.organization_id or 'any'}{_team(identity)}"


def block_note_key(identity: Identity, limit_key: str) -> str:
    """Return the key of the note until when BILL refuses all sign-ins.

    :param limit_key: by what BILL counts them, such as the developer key; the name must not help to guess it
    """
    return f"bill_sign_in_block__{_costly_digest(_parts(identity.environment, limit_key))}{_team(identity)}"


def sign_in_lease_key(identity: Identity, account: str, place: int) -> str:
    """Return the key of the lease for a sign-in.

    :param account: as whom; its sign-ins are counted together, whatever connection makes them
    :param place: number of one of those that may be in flight at a time
    """
    digest = hashlib.sha256(_parts(identity.environment, account)).hexdigest()[:16]
    return f"bill_sign_in_lease__{digest}__{place}{_team(identity)}"


def is_sign_in_lease(key: str) -> bool:
    """Return whether a key is that of a lease for a sign-in."""
    return key.startswith("bill_sign_in_lease__")


def challenge_key(identity: Identity) -> str:
    """Return the key of the note about a code that is on its way."""
    return _fitting(f"bill_mfa_challenge__{_organization(identity)}")


def mfa_turn_key(identity: Identity, mfa_user: str) -> str:
    """Return the key of the lease for having a code sent and entering it, one for each user of BILL."""
    return f"bill_mfa_turn__{_user(identity, mfa_user)}"


def writes_prefix(dag_id: str, run_id: str, task_id: str, map_index: int) -> str:
    """Return how the keys of a task instance's writes begin; a digest, as ids are longer than a key may be."""
    digest = hashlib.sha256(json.dumps([dag_id, run_id, task_id, map_index]).encode()).hexdigest()[:32]
    return f"bill_write__{digest}"


def settlement_key(write_id: str) -> str:
    """Return the key under which a person says how an unknown write ended."""
    return f"bill_write_settled__{write_id}"


def told_key(identity: Identity, subject: str) -> str:
    """Return the key of the note about what people and DAGs were told already.

    :param subject: such as ``trust``; what is told of all organizations of a connection once has one for itself
    """
    about = identity.conn_id if subject == "refused" else f"{identity.conn_id}__{identity.organization_id or 'any'}"
    return _fitting(f"bill_told_{subject}__{about}{_team(identity)}")


def _user(identity: Identity, mfa_user: str) -> str:
    """Return a digest of a user of BILL: Variables' names are seen by many, and a user is an e-mail address."""
    user = _parts(identity.environment, mfa_user.strip().lower())
    return f"{hashlib.sha256(user).hexdigest()[:16]}{_team(identity)}"


def _organization(identity: Identity) -> str:
    return f"{identity.conn_id}__{identity.organization_id or 'any'}{_team(identity)}"


def _session(identity: Identity) -> str:
    return f"bill_session_token__{_organization(identity)}__{identity.kind}"


def _fitting(key: str, end: str = "") -> str:
    """Return the key, or where a connection id makes it longer than a name may be, its beginning and a digest.

    :param end: by which a key is known; it is kept
    """
    if len(key) + len(end) <= LONGEST:
        return key + end
    digest = hashlib.sha256(key.encode()).hexdigest()[:32]
    return f"{key[: LONGEST - len(digest) - len(end) - 2]}__{digest}{end}"


def _team(identity: Identity) -> str:
    # Keys of Variables are unique over all teams, and a team sees only its own.
    return f"__team_{identity.team}" if identity.team else ""


def _credentials(user: bytes, developer_key: str) -> str:
    if not developer_key:
        return _costly_digest(user)
    # A guessed password costs as much as without the key: what is costly is made of the user, once for all keys.
    return hmac.new(_costly(user), developer_key.encode(), "sha256").hexdigest()[:16]


def _costly_digest(material: bytes) -> str:
    return _costly(material).hex()[:16]


def _costly(material: bytes) -> bytes:
    return costly_key(material, b"airflow-provider-bill")


def _parts(*parts: str) -> bytes:
    # JSON keeps the parts apart: ("ab", "c") and ("a", "bc") are different keys.
    return json.dumps(parts).encode()
