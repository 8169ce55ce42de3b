"""Everything the local BILL knows, in one object that ``reset`` puts back to the seed."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_bill.sandbox.data.accounts import Organization, User
from airflow_provider_bill.sandbox.data.seed import Seed, build_seed
from airflow_provider_bill.sandbox.state.clock import Clock, iso
from airflow_provider_bill.sandbox.state.faults import FaultBook
from airflow_provider_bill.sandbox.state.ledger import Ledger
from airflow_provider_bill.sandbox.state.limits import Limits
from airflow_provider_bill.sandbox.state.mfa import MfaDesk
from airflow_provider_bill.sandbox.state.request_log import Journal, fingerprint
from airflow_provider_bill.sandbox.state.sessions import Session, SessionBook
from airflow_provider_bill.sandbox.state.settings import Settings


@dataclass(slots=True)
class Stats:
    """Counters since the start or the last reset."""

    requests: int = 0
    sign_ins: int = 0
    sign_ins_by_kind: Counter[str] = field(default_factory=Counter)
    refused_sign_ins: int = 0
    sign_outs: int = 0
    writes: int = 0
    credentials_in_urls: int = 0
    by_path: Counter[str] = field(default_factory=Counter)
    by_code: Counter[str] = field(default_factory=Counter)
    by_user_agent: Counter[str] = field(default_factory=Counter)


class World:
    """The whole state; handlers run synchronously on it, so each call's effect is atomic."""

    def __init__(self, console_clients: int = 3) -> None:
        self.console_clients = console_clients
        self.clock = Clock()
        self.faults = FaultBook()
        self.reset()

    def reset(self) -> None:
        """Back to the seed: state, clock, stats, settings and faults."""
        self.faults.clear()
        self.clock.reset()
        self.settings = Settings()
        self.seed: Seed = build_seed(self.console_clients)
        self.sessions = SessionBook(self.settings)
        self.limits = Limits(self.settings)
        self.mfa = MfaDesk(self.settings, self.limits)
        self.ledger = Ledger()
        self.stats = Stats()
        self.journal = Journal(self)

    def apply_settings(self, changes: dict[str, Any]) -> None:
        """Set already validated settings in place, where every part looks them up."""
        for name, value in changes.items():
            setattr(self.settings, name, value)

    def organization(self, session: Session) -> Organization:
        """The organization of a session."""
        return self.seed.organizations[session.organization_id]

    def user(self, session: Session) -> User | None:
        """The user of a session."""
        return self.seed.find_user(session.user_id)

    def session_rows(self) -> list[dict[str, Any]]:
        """What ``GET /_sandbox/sessions`` answers: live sessions and OAuth tokens, ids as fingerprints."""
        now = self.clock.now()
        return [
            {
                "session": fingerprint(row.token),
                "kind": row.kind,
                "organization": row.organization_id or None,
                "user": row.user_id,
                "trusted": row.trusted,
                "opened": iso(row.opened_at),
                "idle_seconds": round(now - row.used_at, 3),
            }
            for row in self.sessions.by_token.values()
            if not self.sessions.expired(row, now)
        ]

    def snapshot(self) -> dict[str, Any]:
        """What ``GET /_sandbox/stats`` answers."""
        stats, limits = self.stats, self.limits
        return {
            "requests": stats.requests,
            "sign_ins": stats.sign_ins,
            "sign_ins_by_kind": dict(stats.sign_ins_by_kind),
            "refused_sign_ins": stats.refused_sign_ins,
            "sign_outs": stats.sign_outs,
            "open_sessions": self.sessions.open_count(self.clock.now()),
            "in_flight": limits.in_flight_total,
            "peak_concurrency": limits.peak,
            "refused_concurrency": limits.refused_concurrency,
            "refused_hourly": limits.refused_hourly,
            "sms_sent": len(self.mfa.outbox),
            "payments": len(self.ledger.payments),
            "paid_total": round(sum(row["amount"] for row in self.ledger.payments), 2),
            "writes": stats.writes,
            "credentials_in_urls": stats.credentials_in_urls,
            "faults_served": self.faults.served,
            "by_path": dict(sorted(stats.by_path.items())),
            "by_code": dict(sorted(stats.by_code.items())),
            "by_user_agent": dict(sorted(stats.by_user_agent.items())),
        }


async def hold(seconds: float | None, released: asyncio.Event) -> None:
    """Wait until released, or for the given real time."""
    try:
        await asyncio.wait_for(released.wait(), seconds)
    except TimeoutError:
        return
