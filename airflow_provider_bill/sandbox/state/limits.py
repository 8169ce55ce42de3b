"""Limits: calls and sign-ins by the clock hour, calls at once, texts and Spend & Expense calls by the minute."""

from __future__ import annotations

from collections import deque

from airflow_provider_bill.sandbox.errors import Refusal, SingleObjectRefusal
from airflow_provider_bill.sandbox.state.settings import Settings


class HourlyCounter:
    """Counts by key within the clock hour; a refused call does not count."""

    def __init__(self) -> None:
        self.hour = -1
        self.counts: dict[str, int] = {}

    def take(self, key: str, limit: int, now: float) -> None:
        """Count one, or refuse until the next full hour."""
        hour = int(now // 3600)
        if hour != self.hour:
            self.hour = hour
            self.counts.clear()
        used = self.counts.get(key, 0)
        if used >= limit:
            raise Refusal("BDC_1144", str(limit), signing_in=True)
        self.counts[key] = used + 1


class MinuteWindow:
    """Counts by key within the last 60 seconds."""

    def __init__(self) -> None:
        self.times: dict[str, deque[float]] = {}

    def take(self, key: str, limit: int, now: float) -> bool:
        """Count one, or return False when the minute is full."""
        times = self.times.setdefault(key, deque())
        while times and now - times[0] >= 60:
            times.popleft()
        if len(times) >= limit:
            return False
        times.append(now)
        return True


class Limits:
    """All limits and how far they are used up."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.calls = HourlyCounter()
        self.sign_ins = HourlyCounter()
        self.texts = MinuteWindow()
        self.spend = MinuteWindow()
        self.in_flight: dict[str, int] = {}
        self.in_flight_total = 0
        self.peak = 0
        self.refused_concurrency = 0
        self.refused_hourly = 0

    def take_call(self, developer_key: str, now: float) -> None:
        """Count a call on its developer key."""
        try:
            self.calls.take(developer_key, self.settings.calls_per_hour, now)
        except Refusal:
            self.refused_hourly += 1
            raise

    def take_sign_in(self, developer_key: str, now: float) -> None:
        """Count a sign-in on its developer key."""
        try:
            self.sign_ins.take(developer_key, self.settings.sign_ins_per_hour, now)
        except Refusal:
            self.refused_hourly += 1
            raise

    def take_text(self, user_id: str, now: float) -> None:
        """Count a text message to a user."""
        limit = self.settings.sms_per_minute
        if not self.texts.take(user_id, limit, now):
            raise Refusal(
                self.settings.sms_limit_code,
                message=f"Max number of allowed text messages per minute reached: {limit}.",
                status=self.settings.limit_status,
            )

    def take_spend(self, token: str, now: float) -> None:
        """Count a Spend & Expense call."""
        limit = self.settings.spend_per_minute
        if not self.spend.take(token, limit, now):
            raise SingleObjectRefusal(
                self.settings.spend_limit_status,
                "rate_limited",
                f"Rate limit of {limit} requests per minute reached.",
            )

    def enter(self, key: str) -> None:
        """Begin a call of a developer key and organization, or refuse it when too many run already."""
        running = self.in_flight.get(key, 0) + 1
        self.peak = max(self.peak, running)
        if running > self.settings.concurrent:
            self.refused_concurrency += 1
            raise Refusal("BDC_1322")
        self.in_flight[key] = running

    def leave(self, key: str) -> None:
        """End a call."""
        running = self.in_flight.get(key, 0) - 1
        if running > 0:
            self.in_flight[key] = running
        else:
            self.in_flight.pop(key, None)
