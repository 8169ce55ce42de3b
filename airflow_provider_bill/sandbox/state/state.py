"""Everything the local BILL remembers, in one object that ``reset`` puts back to the seed."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_bill.sandbox.data.accounts import Organization, User
from airflow_provider_bill.sandbox.data.seed import build_seed
from airflow_provider_bill.sandbox.events.state import Events
from airflow_provider_bill.sandbox.state.agenda import Agenda
from airflow_provider_bill.sandbox.state.clock import Clock, to_iso
from airflow_provider_bill.sandbox.state.documents import Documents
from airflow_provider_bill.sandbox.state.faults import Faults
from airflow_provider_bill.sandbox.state.ledger import SETTLES_NO_MORE, Ledger
from airflow_provider_bill.sandbox.state.limits import Limits
from airflow_provider_bill.sandbox.state.mfa import Mfa
from airflow_provider_bill.sandbox.state.request_log import RequestLog, fingerprint
from airflow_provider_bill.sandbox.state.sessions import Session, Sessions
from airflow_provider_bill.sandbox.state.settings import Settings
from airflow_provider_bill.sandbox.state.spend import Spend


@dataclass(slots=True)
class Stats:
    """Counters since the start or the last reset."""

    requests: int = 0
    sign_ins: int = 0
    sign_ins_by_kind: Counter[str] = field(default_factory=Counter)
    refused_sign_ins: int = 0
    sign_outs: int = 0
    writes: int = 0
    faults_served: int = 0
    credentials_in_urls: int = 0
    by_path: Counter[str] = field(default_factory=Counter)
    by_code: Counter[str] = field(default_factory=Counter)
    by_user_agent: Counter[str] = field(default_factory=Counter)


class State:
    """The whole state; handlers run synchronously on it, so each call's effect is atomic."""

    def __init__(self, console_clients: int = 3) -> None:
        self.console_clients = console_clients
        self.clock = Clock()
        self.faults = Faults()
        self.events = Events(self.clock)
        self.reset()

    def reset(self) -> None:
        """Go back to the seed: state, clock, stats, settings and faults."""
        self.faults.remove_all()
        self.events.close()
        self.clock.reset()
        self.settings = Settings()
        self.seed = build_seed(self.console_clients)
        self.sessions = Sessions(self.settings)
        self.limits = Limits(self.settings)
        self.mfa = Mfa(self.settings, self.limits)
        self.ledger = Ledger(self.seed)
        self.agenda = Agenda()
        self.spend = Spend()
        self.events = Events(self.clock)
        self.documents = Documents()
        self.stats = Stats()
        self.request_log = RequestLog(self.is_secret)

    def catch_up(self) -> None:
        """Do what was to happen by now."""
        self.agenda.run(self.clock.now())

    def apply_settings(self, changes: dict[str, Any]) -> None:
        """Set already validated settings in place, where every part looks them up."""
        for name, value in changes.items():
            setattr(self.settings, name, value)

    def get_organization(self, session: Session) -> Organization:
        """Return the organization of a session."""
        return self.seed.organizations[session.organization_id]

    def find_user(self, session: Session) -> User | None:
        """Return the user of a session."""
        return self.seed.find_user(session.user_id)

    def is_secret(self, word: str) -> bool:
        """Return whether a word is a credential that was given out."""
        seed = self.seed
        return (
            word in self.sessions.by_token
            or word in seed.developer_keys
            or word in seed.app_keys
            or word in seed.spend_tokens
            or word in self.mfa.remembered
            or word in self.mfa.session_devices
            or word in self.spend.uploads
            or word in self.documents.links
            or word.startswith("sbx")
        )

    def describe_sessions(self) -> list[dict[str, Any]]:
        """Return the live sessions and OAuth tokens, their ids as fingerprints."""
        now = self.clock.now()
        return [
            {
                "session": fingerprint(row.token),
                "kind": row.kind,
                "organization": row.organization_id or None,
                "user": row.user_id,
                "trusted": row.trusted,
                "opened": to_iso(row.opened_at),
                "idle_seconds": round(now - row.used_at, 3),
            }
            for row in self.sessions.by_token.values()
            if not self.sessions.is_expired(row, now)
        ]

    def describe_stats(self) -> dict[str, Any]:
        """Return all counters."""
        self.catch_up()
        stats, limits = self.stats, self.limits
        left = (row["amount"] for row in self.ledger.describe_payments() if row["status"] not in SETTLES_NO_MORE)
        return {
            "requests": stats.requests,
            "sign_ins": stats.sign_ins,
            "sign_ins_by_kind": dict(stats.sign_ins_by_kind),
            "refused_sign_ins": stats.refused_sign_ins,
            "sign_outs": stats.sign_outs,
            "open_sessions": self.sessions.count_open(self.clock.now()),
            "in_flight": limits.in_flight_total,
            "peak_concurrency": limits.peak,
            "refused_concurrency": limits.refused_concurrency,
            "refused_hourly": limits.refused_hourly,
            "sms_sent": len(self.mfa.outbox),
            "payments": len(self.ledger.payments),
            "paid_total": round(sum(left), 2),
            "writes": stats.writes,
            "notifications": self.events.sent,
            "credentials_in_urls": stats.credentials_in_urls,
            "faults_served": stats.faults_served,
            "by_path": dict(sorted(stats.by_path.items())),
            "by_code": dict(sorted(stats.by_code.items())),
            "by_user_agent": dict(sorted(stats.by_user_agent.items())),
        }
