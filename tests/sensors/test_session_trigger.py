"""Triggers that wait for a session share their looks, send nothing, and hold up nobody."""

from __future__ import annotations

import asyncio
import importlib
import json
import logging
import threading
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_bill.hooks.bill import BillHook
from airflow_provider_bill.triggers.session import BillSessionTrigger
from dev.local_bill import LocalBill
from dev.task_instance import TroubledStore, not_answering

if TYPE_CHECKING:
    from tests.sensors.conftest import Connect, Run

POLL = 60.0


def trigger(**changes: Any) -> BillSessionTrigger:
    arguments: dict[str, Any] = {"bill_conn_id": "bill_default", "poll_interval": POLL}
    return BillSessionTrigger(**{**arguments, **changes})


async def event_of(waiting: BillSessionTrigger) -> Any:
    return (await anext(aiter(waiting.run()))).payload


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


def test_a_thousand_that_wait_for_one_session_make_one_read_a_poll_and_no_call(
    store: TroubledStore, run: Run, bill: LocalBill
) -> None:
    async def wait() -> tuple[int, list[Any]]:
        waiting = [asyncio.create_task(event_of(trigger())) for _ in range(1000)]
        await asyncio.sleep(2.5 * POLL)
        reads = store.calls["read"]
        assert bill.stats()["requests"] == 0
        await asyncio.to_thread(BillHook().sign_in)
        return reads, await asyncio.gather(*waiting)

    reads, events = run(wait())
    assert reads == 3  # at once, and after one and two intervals
    assert events == [{"bill_session": "found"}] * 1000
    assert bill.stats()["requests"] == 1


def test_whoever_comes_in_between_joins_the_others(store: TroubledStore, run: Run) -> None:
    async def wait() -> list[int]:
        waiting, reads = [], []
        for _ in range(4):
            waiting.append(asyncio.create_task(event_of(trigger())))
            await asyncio.sleep(POLL / 2 + 1)
            reads.append(store.calls["read"])
        await asyncio.sleep(POLL)
        reads.append(store.calls["read"])
        for task in waiting:
            task.cancel()
        return reads

    # Looks at 0, 60, 120 and 180 seconds; counted at 31, 62, 93, 124 and 184.
    assert run(wait()) == [1, 2, 2, 3, 4]


def test_whoever_came_later_hears_of_the_session_at_the_same_moment(store: TroubledStore, run: Run) -> None:
    async def wait() -> list[float]:
        loop = asyncio.get_running_loop()

        async def heard_at() -> float:
            await event_of(trigger())
            return loop.time()

        first = asyncio.create_task(heard_at())
        await asyncio.sleep(POLL / 2)
        second = asyncio.create_task(heard_at())
        await asyncio.sleep(1)
        await asyncio.to_thread(BillHook().sign_in)
        return list(await asyncio.gather(first, second))

    assert run(wait()) == pytest.approx([POLL, POLL], abs=0.1)


def test_each_organization_is_looked_for_by_itself(store: TroubledStore, run: Run, bill: LocalBill) -> None:
    first, second = [row["id"] for row in bill.seed["organizations"]][:2]
    BillHook(organization_id=second).sign_in()

    async def wait() -> tuple[Any, bool]:
        absent = asyncio.create_task(event_of(trigger(organization_id=first)))
        found = await event_of(trigger(organization_id=second))
        await asyncio.sleep(3 * POLL)
        still = not absent.done()
        absent.cancel()
        return found, still

    assert run(wait()) == ({"bill_session": "found"}, True)


@pytest.mark.parametrize(
    ("trusted", "wanted", "found"),
    [
        (False, {}, True),
        (False, {"minutes_left": 34}, True),
        (False, {"minutes_left": 36}, False),
        (False, {"require_trusted": True}, False),
        (True, {"require_trusted": True}, True),
        (True, {"require_trusted": True, "minutes_left": 36}, False),
    ],
)
def test_only_a_session_as_it_is_wanted_ends_the_wait(
    trusted: bool, wanted: dict[str, Any], found: bool, store: TroubledStore, run: Run
) -> None:
    hook = BillHook()
    session = hook.session()
    if trusted:
        hook._shared.manager.save_trust(session)

    async def wait() -> bool:
        waiting = asyncio.create_task(event_of(trigger(**wanted)))
        await asyncio.sleep(3 * POLL)
        done = waiting.done()
        waiting.cancel()
        return done

    assert run(wait()) is found


def test_a_session_in_its_last_minute_which_no_task_uses_any_more_ends_no_wait(
    store: TroubledStore, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    ends_at = datetime.fromisoformat(BillHook().sign_in()["expires_at"])

    class LastMinute(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return ends_at - timedelta(seconds=59)

    async def wait() -> bool:
        await event_of(trigger())
        monkeypatch.setattr(importlib.import_module(BillSessionTrigger.__module__), "datetime", LastMinute)
        waiting = asyncio.create_task(event_of(trigger()))  # by the look of the first
        await asyncio.sleep(POLL / 2)
        done = waiting.done()
        waiting.cancel()
        return done

    assert run(wait()) is False


def test_a_read_that_hangs_holds_up_no_other_trigger(store: TroubledStore, run: Run) -> None:
    gate, went_on = threading.Event(), []
    store.at("read", before=lambda: went_on.append(gate.wait(10)))

    async def wait() -> Any:
        waiting = asyncio.create_task(event_of(trigger()))
        for _ in range(20):
            await asyncio.sleep(0)
        gate.set()
        await asyncio.sleep(POLL / 2)
        await asyncio.to_thread(BillHook().sign_in)
        return await waiting

    assert run(wait()) == {"bill_session": "found"}
    assert went_on == [True]


def test_a_cancelled_trigger_takes_the_look_from_nobody(store: TroubledStore, run: Run) -> None:
    gate, opened = threading.Event(), []
    BillHook().sign_in()
    store.at("read", before=lambda: opened.append(gate.wait(10)))

    async def wait() -> Any:
        first, second = (asyncio.create_task(event_of(trigger())) for _ in range(2))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        first.cancel()
        gate.set()
        return await second

    reads = store.calls["read"]
    assert run(wait()) == {"bill_session": "found"}
    assert store.calls["read"] == reads + 1
    assert opened == [True]


def test_a_store_that_fails_ends_no_wait_and_leaves_one_line(
    store: TroubledStore, run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    BillHook().sign_in()
    store.at("read", times=4, before=not_answering)

    async def wait() -> list[Any]:
        return list(await asyncio.gather(*(event_of(trigger()) for _ in range(50))))

    reads = store.calls["read"]
    with caplog.at_level(logging.INFO):
        assert run(wait()) == [{"bill_session": "found"}] * 50
    assert store.calls["read"] == reads + 5
    assert warnings(caplog) == [
        "Whether there is a BILL session of connection 'bill_default' could not be read (the store does not answer); "
        "the wait goes on."
    ]
    assert [r.getMessage() for r in caplog.records if "can be read again" in r.getMessage()] == [
        "The BILL session of connection 'bill_default' can be read again."
    ]


def test_an_error_that_is_not_ours_is_named_and_not_quoted(
    store: TroubledStore, run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    BillHook().sign_in()

    def fail() -> None:
        raise RuntimeError("with the password in it")

    store.at("read", before=fail)
    with caplog.at_level(logging.INFO):
        run(event_of(trigger()))
    assert "RuntimeError" in warnings(caplog)[0]
    assert "with the password in it" not in caplog.text


def test_a_poll_interval_of_nothing_lets_others_run(store: TroubledStore, run: Run) -> None:
    async def wait() -> Any:
        waiting = asyncio.create_task(event_of(trigger(poll_interval=0)))
        await asyncio.sleep(1)
        assert store.calls["read"] <= 101
        await asyncio.to_thread(BillHook().sign_in)
        return await waiting

    assert run(wait()) == {"bill_session": "found"}


def test_what_airflow_stores_of_it_makes_it_again_and_holds_no_secret(
    connect: Connect, store: TroubledStore, bill: LocalBill, run: Run
) -> None:
    handle = BillHook().sign_in()
    path, arguments = trigger(organization_id=handle["organization_id"], minutes_left=5).serialize()
    module, _, name = path.rpartition(".")
    again = getattr(importlib.import_module(module), name)(**arguments)
    assert again.serialize() == (path, arguments)
    assert set(arguments) == {"bill_conn_id", "organization_id", "require_trusted", "minutes_left", "poll_interval"}
    stored = json.dumps([path, arguments, run(event_of(again))])
    assert [secret for secret in bill.secrets() if secret in stored] == []
