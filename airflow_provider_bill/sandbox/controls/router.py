"""The controls under ``/_sandbox``: everything a test needs to set up and to look at."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from fastapi import APIRouter, HTTPException, Request

from airflow_provider_bill.sandbox.controls.bodies import (
    Active,
    Clients,
    ClockMove,
    Expire,
    KeyState,
    Lock,
    Password,
    Phone,
    UserName,
)
from airflow_provider_bill.sandbox.data.accounts import User
from airflow_provider_bill.sandbox.data.connections import describe_seed
from airflow_provider_bill.sandbox.openapi import describe
from airflow_provider_bill.sandbox.state.clock import to_iso
from airflow_provider_bill.sandbox.state.faults import FaultOrder
from airflow_provider_bill.sandbox.state.settings import Settings
from airflow_provider_bill.sandbox.state.state import State

Json = dict[str, Any]


def make_router(state: State) -> APIRouter:
    """Return the router; its handlers are coroutines, so they never run beside a BILL call's handler."""
    router = APIRouter(prefix="/_sandbox", tags=["controls"])
    _add_setup(router, state)
    _add_observation(router, state)
    _add_accounts(router, state)
    _add_faults(router, state)
    return router


def _add_setup(router: APIRouter, state: State) -> None:
    @router.get("/health", summary="Is it up")
    async def health() -> Json:
        return {"status": "ok", "time": to_iso(state.clock.now())}

    @router.get("/seed", summary="Organizations, users, keys, tokens and ready Airflow connections")
    async def seed(request: Request) -> Json:
        return describe_seed(state.seed, str(request.base_url).rstrip("/"))

    @router.get("/bill-openapi.json", summary="BILL's operations as they are answered here, in OpenAPI's form")
    async def bill_openapi() -> Json:
        return describe()

    @router.post("/reset", summary="Back to the seed: state, clock, stats, settings, faults")
    async def reset() -> Json:
        state.reset()
        return {"status": "reset"}

    def read_clock() -> Json:
        now = state.clock.now()
        return {"now": to_iso(now), "timestamp": now, "offset_seconds": state.clock.offset}

    @router.get("/clock", summary="The virtual clock")
    async def clock() -> Json:
        return read_clock()

    @router.post("/clock", summary="Move the virtual clock forward, or stop it at a moment")
    async def move(body: ClockMove) -> Json:
        if body.stop_at is not None:
            state.clock.stop(body.stop_at.timestamp())
        state.clock.advance(body.advance_seconds)
        state.events.note_clock_move()
        return read_clock()

    @router.get("/settings", summary="All switches")
    async def settings() -> Settings:
        return state.settings

    @router.put("/settings", summary="Change the named switches, leave the others")
    async def change(body: Settings) -> Settings:
        state.apply_settings(body.model_dump(include=body.model_fields_set))
        return state.settings

    @router.delete("/settings", summary="All switches back to their defaults")
    async def defaults() -> Settings:
        state.apply_settings(Settings().model_dump())
        return state.settings


def _add_observation(router: APIRouter, state: State) -> None:
    @router.get("/stats", summary="Counters since the start or the last reset")
    async def stats() -> Json:
        return state.describe_stats()

    @router.get("/requests", summary="The journal of BILL calls, secrets as fingerprints")
    async def requests(last: int | None = None, path: str | None = None) -> list[Json]:
        rows = [row for row in state.request_log.rows if path is None or row["path"] == path]
        return rows[-last:] if last else rows

    @router.get("/sms", summary="The codes that were sent, newest last")
    async def sms() -> list[dict[str, object]]:
        return state.mfa.outbox

    @router.get("/payments", summary="Every payment that was made, a row for each bill; not what is only recorded")
    async def payments() -> list[Json]:
        state.catch_up()
        return state.ledger.describe_payments()

    @router.get("/sessions", summary="The live sessions, ids as fingerprints")
    async def sessions() -> list[Json]:
        return state.describe_sessions()


def _add_accounts(router: APIRouter, state: State) -> None:
    def find_user(username: str) -> User:
        user = state.seed.users.get(username)
        if user is None:
            known = ", ".join(state.seed.users)
            raise HTTPException(404, f"username: there is no user {username!r}; the users are {known}.")
        return user

    @router.post("/sessions/expire", summary="End sessions as if they had been idle too long")
    async def expire(body: Expire | None = None) -> Json:
        wanted = body or Expire()
        user_id = find_user(wanted.username).id if wanted.username is not None else wanted.user_id
        return {"expired": state.sessions.expire(wanted.organization_id, user_id)}

    @router.post("/users/unlock", summary="Lift a lock-out")
    async def unlock(body: UserName) -> Json:
        user = find_user(body.username)
        user.failures, user.locked = 0, False
        return asdict(user)

    @router.post("/users/password", summary="Reset a password, which also lifts a lock-out")
    async def password(body: Password) -> Json:
        user = find_user(body.username)
        user.password, user.failures, user.locked = body.password, 0, False
        return asdict(user)

    @router.post("/users/phone", summary="Set or take away the MFA phone")
    async def phone(body: Phone) -> Json:
        user = find_user(body.username)
        user.phone = body.phone
        return asdict(user)

    @router.post("/users/active", summary="Make a user active or inactive")
    async def active(body: Active) -> Json:
        user = find_user(body.username)
        user.active = body.active
        for rows in state.ledger.organizations.values():
            if user.id in rows["users"]:
                rows["users"][user.id]["archived"] = not body.active
        return asdict(user)

    @router.post("/developer-keys/state", summary="Make a developer key active, inactive or without terms")
    async def key_state(body: KeyState) -> Json:
        row = state.seed.developer_keys.get(body.developer_key)
        if row is None:
            raise HTTPException(404, "developer_key: there is no such key; GET /_sandbox/seed lists them.")
        row.state = body.state
        return asdict(row)

    @router.post("/organizations", summary="Add client organizations to the accountant console")
    async def organizations(body: Clients) -> list[Json]:
        state.seed.add_console_clients(body.count)
        keys = {row.developer: row.key for row in state.seed.developer_keys.values()}
        added = list(state.seed.organizations.values())[-body.count :]
        return [{**asdict(row), "developer_key": keys[row.developer]} for row in added]

    @router.post("/organizations/lock", summary="Lock an organization out (BDC_1107), or let it in again")
    async def lock(body: Lock) -> Json:
        row = state.seed.organizations.get(body.organization_id)
        if row is None:
            raise HTTPException(404, "organization_id: there is no such organization; GET /_sandbox/seed lists them.")
        row.locked = body.locked
        return asdict(row)


def _add_faults(router: APIRouter, state: State) -> None:
    @router.post("/faults", status_code=201, summary="Make the next answers on a path go wrong")
    async def add(body: FaultOrder) -> Json:
        return state.faults.add(body).describe()

    @router.get("/faults", summary="The faults that are still to come, and those that hold an answer")
    async def show() -> list[Json]:
        return state.faults.describe()

    @router.delete("/faults", summary="Forget all faults and let held answers go")
    async def clear() -> Json:
        return {"removed": state.faults.remove_all()}

    @router.delete("/faults/{number}", summary="Forget one fault")
    async def remove(number: int) -> Json:
        if not state.faults.remove(number):
            raise HTTPException(404, f"There is no fault {number}; GET /_sandbox/faults lists them.")
        return {"removed": 1}

    @router.post("/faults/release", summary="Let held answers go")
    async def release() -> Json:
        return {"released": state.faults.release()}
