"""What an error of ours is for Airflow, also after it has crossed a process border."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException
from airflow.serialization.serialized_objects import BaseSerialization

from airflow_provider_bill.exceptions import BillError, BillRateLimitError, BillSignInRefusedError
from airflow_provider_bill.hooks.bill import BillHook
from dev.local_bill import LocalBill
from dev.paths import ROOT

COPIES: dict[str, Callable[[BillError], Any]] = {
    "pickle": lambda error: pickle.loads(pickle.dumps(error)),
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
}


@pytest.fixture
def refused(connect: Callable[..., list[str]]) -> BillError:
    """The error of a wrong password, as it leaves the hook."""
    connect("v3", password="wrong password")
    with pytest.raises(BillSignInRefusedError) as caught:
        BillHook().session()
    return caught.value


@pytest.mark.parametrize("how", COPIES)
def test_a_copy_of_an_error_is_not_retried_either_and_says_the_same(how: str, refused: BillError) -> None:
    found: Any = COPIES[how](refused)
    assert AirflowFailException in type(found).__mro__
    assert len({type(error) for error in (found, refused)}) == 1
    assert str(found) == str(refused)
    assert (found.code, found.status, found.advice) == ("BDC_1101", refused.status, refused.advice)
    assert isinstance(COPIES[how](found), AirflowFailException)


def test_an_error_that_airflow_itself_has_serialized_is_not_retried_either(refused: BillError) -> None:
    found = BaseSerialization.deserialize(BaseSerialization.serialize(refused))
    assert isinstance(found, AirflowFailException)
    assert str(found) == str(refused)


def test_another_process_that_reads_an_error_does_not_retry_it(refused: BillError) -> None:
    code = (
        "import pickle, sys; error = pickle.load(sys.stdin.buffer); "
        "from airflow.providers.common.compat.sdk import AirflowFailException; "
        "from airflow_provider_bill.exceptions import BillSignInRefusedError; "
        "print(isinstance(error, AirflowFailException), isinstance(error, BillSignInRefusedError), error.code)"
    )
    done = subprocess.run([sys.executable, "-c", code], input=pickle.dumps(refused), capture_output=True, cwd=ROOT)
    assert done.stdout.decode().split()[-3:] == ["True", "True", "BDC_1101"], done.stderr.decode()


def test_a_copy_of_an_error_that_may_be_retried_keeps_the_time_for_it(
    bill: LocalBill, connect: Callable[..., list[str]]
) -> None:
    connect("v3")
    bill.settings(sign_ins_per_hour=0)
    with pytest.raises(BillRateLimitError) as caught:
        BillHook().session()
    assert type(caught.value) is BillRateLimitError, "no task is running that Airflow could run again"
    found = pickle.loads(pickle.dumps(caught.value))
    assert not isinstance(found, AirflowFailException)
    assert (found.retry_at, str(found)) == (caught.value.retry_at, str(caught.value))


def test_a_hook_in_a_with_statement_closes_its_connections_and_keeps_the_session(
    bill: LocalBill, connect: Callable[..., list[str]]
) -> None:
    connect("v3")
    with BillHook() as hook:
        hook.request("GET", "/v3/vendors", params={"max": 1})
        assert len(pools(hook)) == 1
    assert pools(hook) == []
    hook.request("GET", "/v3/vendors", params={"max": 1})
    assert bill.stats()["sign_ins"] == 1


def test_a_hook_that_was_never_used_has_nothing_to_close() -> None:
    BillHook("no_such_connection").close()


def pools(hook: BillHook) -> list[Any]:
    adapter: Any = hook.get_conn()._transport._session.get_adapter("http://127.0.0.1")
    return list(adapter.poolmanager.pools.keys())
