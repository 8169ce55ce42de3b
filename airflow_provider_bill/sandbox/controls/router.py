"""The controls under ``/_sandbox``: everything a test needs to set up and to look at."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from fastapi import APIRouter, HTTPException, Request
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from airflow_provider_bill.sandbox.data.accounts import User
from airflow_provider_bill.sandbox.data.connections import describe_seed
from airflow_provider_bill.sandbox.state.clock import iso
from airflow_provider_bill.sandbox.state.faults import FaultOrder
from airflow_provider_bill.sandbox.state.settings import Settings
from airflow_provider_bill.sandbox.state.state import World

Json = dict[str, Any]


class Body(BaseModel):
    """A control's body; names that it does not know are refused."""

    model_config = ConfigDict(extra="forbid")


class ClockMove(Body):
    """How far the clock moves, or the moment at which it stops; one of the two."""

    advance_seconds: float = Field(0, ge=0, description="Seconds forward.")
    stop_at: AwareDatetime | None = Field(
        None, description="ISO 8601 with an offset; from now on only advance_seconds moves the clock."
    )


class Expire(Body):
    """Whose sessions end; nothing named: all."""

    organization_id: str | None = None
    username: str | None = None
    user_id: str | None = None


class UserName(Body):
    """A user."""

    username: str


class Password(UserName):
    """A new password."""

    password: str = Field(min_length=1)


class Phone(UserName):
    """A phone; null takes it away."""

    phone: str | None


class Active(UserName):
    """Whether the user is active."""

    active: bool


class KeyState(Body):
    """A developer key's state."""

    developer_key: str
    state: str = Field(pattern="^(active|inactive|terms)$")


class Clients(Body):
    """How many client organizations the accountant console gets."""

    count: int = Field(ge=1, le=5000)


class Lock(Body):
    """Whether an organization is locked out."""

    organization_id: str
    locked: bool = True


def make_controls(world: World) -> APIRouter:
    """The router; its handlers are coroutines, so they never run beside a BILL call's handler."""
    router = APIRouter(prefix="/_sandbox", tags=["controls"])
    _state(router, world)
    _looking(router, world)
    _people(router, world)
    _faults(router, world)
    return router


def _state(router: APIRouter, world: World) -> None:
    @router.get("/health", summary="Is it up")
    async def health() -> Json:
        return {"status": "ok", "time": iso(world.clock.now())}

    @router.get("/seed", summary="Organizations, users, keys, tokens and ready Airflow connections")
    async def seed(request: Request) -> Json:
        return describe_seed(world.seed, str(request.base_url).rstrip("/"))

    @router.post("/reset", summary="Back to the seed: state, clock, stats, settings, faults")
    async def reset() -> Json:
        world.reset()
        return {"status": "reset"}

    def time() -> Json:
        now = world.clock.now()
        return {"now": iso(now), "timestamp": now, "offset_seconds": world.clock.offset}

    @router.get("/clock", summary="The virtual clock")
    async def clock() -> Json:
        return time()

    @router.post("/clock", summary="Move the virtual clock forward, or stop it at a moment")
    async def move(body: ClockMove) -> Json:
        if body.stop_at is not None:
            world.clock.stop(body.stop_at.timestamp())
        world.clock.advance(body.advance_seconds)
        return time()

    @router.get("/settings", summary="All switches")
    async def settings() -> Settings:
        return world.settings

    @router.put("/settings", summary="Change the named switches, leave the others")
    async def change(body: Settings) -> Settings:
        world.apply_settings(body.model_dump(include=body.model_fields_set))
        return world.settings

    @router.delete("/settings", summary="All switches back to their defaults")
    async def defaults() -> Settings:
        world.apply_settings(Settings().model_dump())
        return world.settings


def _looking(router: APIRouter, world: World) -> None:
    @router.get("/stats", summary="Counters since the start or the last reset")
    async def stats() -> Json:
        return world.snapshot()

    @router.get("/requests", summary="The journal of BILL calls, secrets as fingerprints")
    async def requests(last: int | None = None, path: str | None = None) -> list[Json]:
        rows = [row for row in world.journal.rows if path is None or row["path"] == path]
        return rows[-last:] if last else rows

    @router.get("/sms", summary="The codes that were sent, newest last")
    async def sms() -> list[dict[str, object]]:
        return world.mfa.outbox

    @router.get("/payments", summary="Every payment that was created")
    async def payments() -> list[Json]:
        return world.ledger.payments

    @router.get("/sessions", summary="The live sessions, ids as fingerprints")
    async def sessions() -> list[Json]:
        return world.session_rows()


def _people(router: APIRouter, world: World) -> None:
    def find(username: str) -> User:
        user = world.seed.users.get(username)
        if user is None:
            known = ", ".join(world.seed.users)
            raise HTTPException(404, f"username: there is no user {username!r}; the users are {known}.")
        return user

    @router.post("/sessions/expire", summary="End sessions as if they had been idle too long")
    async def expire(body: Expire | None = None) -> Json:
        wanted = body or Expire()
        user_id = find(wanted.username).id if wanted.username is not None else wanted.user_id
        return {"expired": world.sessions.expire(wanted.organization_id, user_id)}

    @router.post("/users/unlock", summary="Lift a lock-out")
    async def unlock(body: UserName) -> Json:
        user = find(body.username)
        user.failures, user.locked = 0, False
        return asdict(user)

    @router.post("/users/password", summary="Reset a password, which also lifts a lock-out")
    async def password(body: Password) -> Json:
        user = find(body.username)
        user.password, user.failures, user.locked = body.password, 0, False
        return asdict(user)

    @router.post("/users/phone", summary="Set or take away the MFA phone")
    async def phone(body: Phone) -> Json:
        user = find(body.username)
        user.phone = body.phone
        return asdict(user)

    @router.post("/users/active", summary="Make a user active or inactive")
    async def active(body: Active) -> Json:
        user = find(body.username)
        user.active = body.active
        return asdict(user)

    @router.post("/developer-keys/state", summary="Make a developer key active, inactive or without terms")
    async def key_state(body: KeyState) -> Json:
        row = world.seed.developer_keys.get(body.developer_key)
        if row is None:
            raise HTTPException(404, "developer_key: there is no such key; GET /_sandbox/seed lists them.")
        row.state = body.state
        return asdict(row)

    @router.post("/organizations", summary="Add client organizations to the accountant console")
    async def organizations(body: Clients) -> list[Json]:
        world.seed.add_console_clients(body.count)
        keys = {row.developer: row.key for row in world.seed.developer_keys.values()}
        added = list(world.seed.organizations.values())[-body.count :]
        return [{**asdict(row), "developer_key": keys[row.developer]} for row in added]

    @router.post("/organizations/lock", summary="Lock an organization out (BDC_1107), or let it in again")
    async def lock(body: Lock) -> Json:
        row = world.seed.organizations.get(body.organization_id)
        if row is None:
            raise HTTPException(404, "organization_id: there is no such organization; GET /_sandbox/seed lists them.")
        row.locked = body.locked
        return asdict(row)


def _faults(router: APIRouter, world: World) -> None:
    @router.post("/faults", status_code=201, summary="Make the next answers on a path go wrong")
    async def add(body: FaultOrder) -> Json:
        return world.faults.add(body).as_row()

    @router.get("/faults", summary="The faults that are still to come, and those that hold an answer")
    async def show() -> list[Json]:
        rows = [
            *world.faults.faults,
            *(row for row in world.faults.holding if row not in world.faults.faults),
        ]
        return [fault.as_row() for fault in rows]

    @router.delete("/faults", summary="Forget all faults and let held answers go")
    async def clear() -> Json:
        count = len(world.faults.faults)
        world.faults.release()
        world.faults.faults.clear()
        return {"removed": count}

    @router.delete("/faults/{number}", summary="Forget one fault")
    async def remove(number: int) -> Json:
        if not world.faults.remove(number):
            raise HTTPException(404, f"There is no fault {number}; GET /_sandbox/faults lists them.")
        return {"removed": 1}

    @router.post("/faults/release", summary="Let held answers go")
    async def release() -> Json:
        return {"released": world.faults.release()}
