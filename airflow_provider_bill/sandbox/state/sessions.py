"""Sessions and OAuth tokens: what opens them, what keeps them alive and what ends them."""

from __future__ import annotations

from dataclasses import dataclass, field

from airflow_provider_bill.sandbox.ids import session_token
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
        """The developer key that the limits count on."""
        return self.developer_key or self.app_key or ""


@dataclass(slots=True)
class SessionBook:
    """All live sessions."""

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
        """Open a session; it lives beside all others."""
        session = Session(
            session_token(v2=v2),
            kind,
            organization_id,
            user_id,
            now,
            now,
            developer_key,
            app_key,
            trusted,
            scope,
            ends_at,
        )
        self.by_token[session.token] = session
        return session

    def expired(self, session: Session, now: float) -> bool:
        """Whether its idle life (or a token's fixed life) is over."""
        if session.ends_at is not None:
            return now >= session.ends_at
        limit = self.settings.sync_idle_seconds if session.kind == "sync_token" else self.settings.idle_seconds
        return now - session.used_at >= limit

    def find(self, token: str, now: float) -> Session | None:
        """The live session with this id; a dead one is forgotten."""
        session = self.by_token.get(token)
        if session is None:
            return None
        if self.expired(session, now):
            del self.by_token[token]
            return None
        return session

    def close(self, session: Session) -> None:
        """End it at once."""
        self.by_token.pop(session.token, None)

    def expire(self, organization_id: str | None, user_id: str | None) -> int:
        """End all sessions, or those of an organization or a user; tells how many."""
        doomed = [
            session
            for session in self.by_token.values()
            if organization_id in (None, session.organization_id) and user_id in (None, session.user_id)
        ]
        for session in doomed:
            self.close(session)
        return len(doomed)

    def open_count(self, now: float) -> int:
        """How many sessions (OAuth tokens not counted) are alive."""
        live = [s for s in self.by_token.values() if s.ends_at is None and not self.expired(s, now)]
        return len(live)
