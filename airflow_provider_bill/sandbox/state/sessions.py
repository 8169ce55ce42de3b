"""Sessions and OAuth tokens: how they open, stay alive and end."""

from __future__ import annotations

from dataclasses import dataclass, field

from airflow_provider_bill.sandbox.ids import make_session_id
from airflow_provider_bill.sandbox.state.settings import Settings


@dataclass(slots=True)
class Session:
    """One signed-in session, or one OAuth access token (then ``ends_at`` is set)."""

    token: str
    kind: str
    organization_id: str
    user_id: str
    opened_at: float
    used_at: float
    developer_key: str | None = None
    app_key: str | None = None
    trusted: bool = False
    scope: str = "full"
    ends_at: float | None = None

    def limit_key(self) -> str:
        """Return the developer key, or what stands for it, that limits are counted by."""
        return self.developer_key or self.app_key or ""


@dataclass(slots=True)
class Sessions:
    """All sessions that are not known to have ended."""

    settings: Settings
    by_token: dict[str, Session] = field(default_factory=dict)

    def open(
        self,
        kind: str,
        organization_id: str,
        user_id: str,
        now: float,
        *,
        developer_key: str | None = None,
        app_key: str | None = None,
        trusted: bool = False,
        v2: bool = False,
        scope: str = "full",
        ends_at: float | None = None,
    ) -> Session:
        """Open a session beside all others."""
        session = Session(
            make_session_id(v2=v2),
            kind,
            organization_id,
            user_id,
            opened_at=now,
            used_at=now,
            developer_key=developer_key,
            app_key=app_key,
            trusted=trusted,
            scope=scope,
            ends_at=ends_at,
        )
        self.by_token[session.token] = session
        return session

    def is_expired(self, session: Session, now: float) -> bool:
        """Return whether a session's idle life, or a token's fixed life, is over."""
        if session.ends_at is not None:
            return now >= session.ends_at
        limit = self.settings.sync_idle_seconds if session.kind == "sync_token" else self.settings.idle_seconds
        return now - session.used_at >= limit

    def find(self, token: str, now: float) -> Session | None:
        """Return the live session with this id, and forget it if it has expired."""
        session = self.by_token.get(token)
        if session is None:
            return None
        if self.is_expired(session, now):
            del self.by_token[token]
            return None
        return session

    def close(self, session: Session) -> None:
        """End a session at once."""
        self.by_token.pop(session.token, None)

    def expire(self, organization_id: str | None, user_id: str | None) -> int:
        """End all sessions, or those of an organization or a user, and return how many."""
        ended = [
            session
            for session in self.by_token.values()
            if organization_id in (None, session.organization_id) and user_id in (None, session.user_id)
        ]
        for session in ended:
            self.close(session)
        return len(ended)

    def count_open(self, now: float) -> int:
        """Return how many sessions are alive; OAuth tokens are not counted."""
        return sum(row.ends_at is None and not self.is_expired(row, now) for row in self.by_token.values())
