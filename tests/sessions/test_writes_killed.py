"""Tasks that pay in real processes, which are killed at drawn steps: BILL's own ledger tells what was paid."""

from __future__ import annotations

import itertools
import json
import os
import random
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_bill.sessions.writes import settle
from dev.local_bill import LocalBill
from dev.payer import Ended, Payer, PayJob
from dev.processes import wait_until
from dev.shared_store import SharedStore

PATH = "/connect/v3/payments"
VENDOR = "00901SBX000100000001"
#: Steps of a try: of its sendings, and of the notes by the end of their key.
STEPS = [
    ("before", "send", ""),
    ("after", "send", ""),
    *itertools.product(
        ("before", "after"), ("read", "write", "delete"), ("__claim", "__open", "")
    ),
]  # fmt: skip
FAULTS: list[dict[str, Any]] = [
    {"kind": "reset", "after_effect": True},
    {"kind": "reset"},
    {"kind": "html", "after_effect": True},
    {"kind": "status", "status": 500},
    {"code": "BDC_1109"},
]


@pytest.fixture(scope="module")
def payer() -> Iterator[Payer]:
    with Payer() as running:
        yield running


@pytest.fixture
def make_job(bill: LocalBill, tmp_path: Path) -> Callable[..., PayJob]:
    """Make the job of a try of one task instance."""
    bill.settings(mfa_mode="off")
    folders = [tmp_path / name for name in ("sessions", "notes")]
    for folder in folders:
        folder.mkdir()
    connection = json.loads(json.dumps(bill.connections["v3"]))

    def make(names: list[str], **kwargs: Any) -> PayJob:
        bodies = [
            {"vendorId": VENDOR, "amount": 1.5, "processDate": "2099-01-01", "description": name} for name in names
        ]
        return PayJob(bill.url, connection, str(folders[0]), str(folders[1]), bodies, **kwargs)

    return make


MakeJob = Callable[..., PayJob]


def notes_of(job: PayJob) -> list[dict[str, Any]]:
    """Return what the task has noted: intents and outcomes."""
    texts = [file.read_text() for file in Path(job.notes).glob("*.text")]
    return [json.loads(text) for text in texts if text.startswith("{")]


def unsettled(job: PayJob) -> bool:
    """Return whether a write is open: its intent is there, and no outcome of that name."""
    notes = notes_of(job)
    answered = {note["name"] for note in notes if note.get("state") == "answered"}
    return any(note.get("state") == "sent" and note["name"] not in answered for note in notes)


def look_and_settle(bill: LocalBill, job: PayJob, ended: Ended) -> None:
    """Look in BILL for what nobody has heard of, and say what is there."""
    known = {note["result"]["id"] for note in notes_of(job) if note.get("state") == "answered"}
    unheard = [row["id"] for row in bill.payments() if row["id"] not in known]
    assert len(unheard) <= 1
    settle(
        SharedStore(Path(job.notes)),
        ended.message.partition("(write ")[2][:16],
        carried_out=bool(unheard),
        result={"id": unheard[0]} if unheard else None,
    )


@pytest.mark.parametrize("number", range(60))
def test_whenever_a_process_is_killed_nothing_is_paid_twice_and_nothing_passes_unpaid(
    number: int, make_job: MakeJob, payer: Payer, bill: LocalBill
) -> None:
    draw = random.Random(number)
    names = [f"bill {n}" for n in range(draw.randint(1, 3))]
    keys = names if draw.random() < 0.5 else []
    story: list[Any] = []
    for _ in range(draw.randint(1, 3)):
        if draw.random() < 0.3:
            bill.fault(PATH, skip=draw.randint(0, 1), **draw.choice(FAULTS))
        job = make_job(names, keys=keys, killed=(*draw.choice(STEPS), draw.randint(0, 2)))
        ended = run(payer, job, story, bill)
        if ended is not None and ended.error == "BillOutcomeUnknownError" and draw.random() < 0.7:
            look_and_settle(bill, job, ended)
    bill.control("DELETE", "faults")
    job = make_job(names, keys=keys)
    for _ in range(len(names) + 2):
        ended = run(payer, job, story, bill)
        assert ended is not None
        last = ended
        if not ended.error:
            break
        assert ended.error == "BillOutcomeUnknownError", story
        look_and_settle(bill, job, ended)
    assert [row["description"] for row in bill.payments()] == names, story
    assert last.ids == [row["id"] for row in bill.payments()], story


def run(payer: Payer, job: PayJob, story: list[Any], bill: LocalBill) -> Ended | None:
    """Run a try and check it against BILL's ledger."""
    was_unsettled = unsettled(job)
    unsettled_names = {note["id"] for note in notes_of(job) if note.get("state") == "sent"}
    settled = any("carried_out" in note for note in notes_of(job))
    before = {row["id"] for row in bill.payments()}
    ended = payer.run(job)
    made = {row["id"]: row["description"] for row in bill.payments()}
    story.append((job.killed, ended, list(made.values())))
    assert max(Counter(made.values()).values(), default=0) <= 1, story
    if ended is None:
        return None
    if was_unsettled and not settled:
        assert ended.error == "BillOutcomeUnknownError", story
        assert any(name in ended.message for name in unsettled_names), story
    if not ended.error:
        assert [made.get(one) for one in ended.ids] == [body["description"] for body in job.payments], story
    if set(made) - before - set(ended.ids):
        assert ended.error == "BillOutcomeUnknownError", story
    return ended


def test_a_process_killed_while_bill_holds_its_answer_back_leaves_an_unknown_write(
    make_job: MakeJob, payer: Payer, bill: LocalBill
) -> None:
    bill.fault(PATH, kind="stall", after_effect=True)
    job = make_job(["rent"])
    pid = payer.start(job)
    wait_until(bill.held_answers, 30, "BILL to hold the answer", 0.02)
    os.kill(pid, signal.SIGKILL)
    assert payer.end() is None
    bill.control("POST", "faults/release")
    ended = payer.run(job)
    assert ended is not None
    assert ended.error == "BillOutcomeUnknownError"
    look_and_settle(bill, job, ended)
    assert payer.run(job) == Ended([bill.payments()[0]["id"]])
    assert bill.stats()["payments"] == 1


@pytest.mark.parametrize("number", range(12))
def test_processes_that_run_one_task_at_the_same_time_pay_once(
    number: int, make_job: MakeJob, payer: Payer, bill: LocalBill
) -> None:
    job = make_job(["rent"], latency=(0, number))
    payer.run(make_job([]))
    with Payer() as another, Payer() as third:
        payers = [payer, another, third]
        for one in payers:
            one.start(job)
        ends = [one.end() for one in payers]
    made = [row["id"] for row in bill.payments()]
    assert len(made) <= 1
    for ended in ends:
        assert ended is not None
        assert ended.ids == made if not ended.error else ended.error in ("BillStoreError", "BillOutcomeUnknownError")
    last = payer.run(job)
    assert last is not None
    if last.error:
        # An intent that was overtaken is in the way, and a person looks.
        look_and_settle(bill, job, last)
        last = payer.run(job)
        assert last is not None
    assert last.ids == [row["id"] for row in bill.payments()]
    assert bill.stats()["payments"] == 1
