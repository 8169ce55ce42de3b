"""``BillApiOperator`` with files, and with answers that hold secrets, in DAGs that Airflow runs in this process."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import task

from airflow_provider_bill.exceptions import BillConfigurationError
from airflow_provider_bill.hooks.bill import BillHook
from airflow_provider_bill.operators.bill import BillApiOperator
from dev.local_bill import LocalBill
from dev.misbehaving_server import MisbehavingServer, http_answer

if TYPE_CHECKING:
    from tests.operators.conftest import Connect, NewDag, RunDag

PATH = "/v3/documents/bills/00n01SBX000100000001"


def uploads(bill: LocalBill) -> int:
    return bill.count_calls(f"/connect{PATH}")


def test_a_document_goes_to_bill_and_an_export_comes_back(
    connect: Connect, new_dag: NewDag, run_dag: RunDag, bill: LocalBill, tmp_path: Path
) -> None:
    connect("v3")
    (tmp_path / "scan.pdf").write_bytes(b"%PDF of a bill")
    with new_dag() as dag:
        up = BillApiOperator(
            task_id="up",
            endpoint=PATH,
            upload_from=str(tmp_path / "{{ 'scan' }}.pdf"),
            query={"name": "march.pdf"},
            response_filter=lambda made: made["id"],
        )
        down = BillApiOperator(
            task_id="down",
            endpoint="/v3/documents/{{ ti.xcom_pull(task_ids='up') }}",
            download_to=str(tmp_path / "{{ 'back' }}.pdf"),
        )
        up >> down
    result = run_dag(dag)
    assert result.state == "success", result.tasks
    assert result.xcom("down") == 14
    assert (tmp_path / "back.pdf").read_bytes() == b"%PDF of a bill"
    assert [row["name"] for row in BillHook().paginate(PATH)] == ["march.pdf"]
    assert uploads(bill) == 2, "one upload, and one list just now"


def test_an_upload_of_a_task_that_fails_afterwards_is_sent_once_and_another_file_is_another_write(
    connect: Connect, new_dag: NewDag, run_dag: RunDag, bill: LocalBill, tmp_path: Path
) -> None:
    connect("v3")
    file = tmp_path / "scan.pdf"
    file.write_bytes(b"first")
    tries: list[str] = []

    with new_dag() as dag:

        @task(retries=2, retry_delay=0)
        def attach() -> Any:
            tries.append("again")
            made = BillHook().upload(PATH, file)
            if len(tries) == 1:
                raise RuntimeError("the task failed after it had uploaded")
            if len(tries) == 2:
                file.write_bytes(b"second")
                raise RuntimeError("and now its file is another one")
            return made["id"]

        attach()
    result = run_dag(dag)
    assert result.state == "failed"
    assert len(tries) == 3
    assert uploads(bill) == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"upload_from": "x", "download_to": "y"}, "both upload_from and download_to"),
        ({"upload_from": "x", "paginate": True}, "both paginate and upload_from"),
        ({"upload_from": "x", "method": "PUT"}, "upload_from is given.*other than POST"),
        ({"upload_from": "x", "data": {"a": 1}}, "upload_from is given.*data"),
        ({"download_to": "x", "method": "POST"}, "download_to is given.*other than GET"),
        ({"download_to": "x", "query": {"a": 1}}, "download_to is given.*query"),
        ({"download_to": "x", "endpoint": "https://gateway.stage.bill.com/s3cret"}, "endpoint is a full address"),
        ({"upload_from": "gone.pdf"}, "'gone.pdf', does not exist"),
        ({"method": "POST"}, "takes a file, not JSON"),
    ],
)
def test_what_does_not_go_together_is_refused_before_anything_is_sent(
    arguments: dict[str, Any], words: str, connect: Connect, bill: LocalBill
) -> None:
    connect("v3")
    operator = BillApiOperator(task_id="x", **{"endpoint": PATH, **arguments})
    with pytest.raises(BillConfigurationError, match=words) as caught:
        operator.execute({})
    assert "s3cret" not in str(caught.value)
    assert bill.stats()["requests"] == 0


@pytest.mark.parametrize(
    ("kind", "method", "endpoint", "field"),
    [
        ("v3", "POST", "/v3/subscriptions", "securityKey"),
        ("v3", "POST", "/v3/subscriptions/1/security_key", "securityKey"),
        ("spend_token", "GET", "/v3/spend/cards/1/pan-jwt", "token"),
        ("v3", "GET", "/v3/exports/1/download-link", "downloadLink"),
        ("v3", "POST", "/v3/mfa/challenge/validate", "rememberMeId, mfaId"),
        ("v2", "POST", "MFAAuthenticate.json", "mfaId, rememberMeId"),
    ],
)
def test_an_answer_with_a_secret_is_not_asked_for_where_xcom_would_show_it(
    kind: str, method: str, endpoint: str, field: str, connect: Connect, bill: LocalBill
) -> None:
    connect(kind)
    operator = BillApiOperator(task_id="x", endpoint=endpoint, method=method, data=None)
    with pytest.raises(BillConfigurationError, match=rf"holds a secret \({field}\).*do_xcom_push=False"):
        operator.execute({})
    assert bill.stats()["requests"] == 0


def test_an_answer_with_a_secret_goes_to_the_filter_where_nothing_is_pushed(
    connect: Connect, new_dag: NewDag, run_dag: RunDag
) -> None:
    server = MisbehavingServer(http_answer(200, '{"id":"sub-1","securityKey":"security-key-1"}'))
    connect("spend_token", host=server.url)
    seen: list[Any] = []
    with new_dag() as dag:
        BillApiOperator(
            task_id="subscribe",
            endpoint="/v3/subscriptions",
            method="POST",
            data={"name": "bills"},
            do_xcom_push=False,
            response_filter=seen.append,
        )
    result = run_dag(dag)
    server.close()
    assert result.state == "success", result.tasks
    assert seen == [{"id": "sub-1", "securityKey": "security-key-1"}]
    assert "security-key-1" not in str(result.xcoms)
    assert b"x-idempotent-key" in server.requests[0].lower()


def test_each_task_of_a_run_names_its_write_to_bill_in_its_own_way(
    connect: Connect, new_dag: NewDag, run_dag: RunDag
) -> None:
    server = MisbehavingServer(http_answer(200, '{"id":"sub-1","securityKey":"security-key-1"}'))
    connect("spend_token", host=server.url)
    call: dict[str, Any] = {"endpoint": "/v3/subscriptions", "method": "POST", "do_xcom_push": False}
    with new_dag() as dag:
        BillApiOperator(task_id="one", data={"name": "a"}, **call)
        BillApiOperator(task_id="two", data={"name": "b"}, **call)
        BillApiOperator.partial(task_id="mapped", **call).expand(data=[{"name": "c"}, {"name": "d"}])
    results = [run_dag(dag) for _ in range(2)]
    server.close()
    assert [result.state for result in results] == ["success", "success"]
    keys = {re.findall(rb"(?i)x-idempotent-key: (\S+)", request)[0] for request in server.requests}
    assert len(keys) == len(server.requests) == 8


def test_the_names_of_files_are_template_fields() -> None:
    assert {"upload_from", "download_to"} <= set(BillApiOperator.template_fields)


@pytest.mark.parametrize("blank", [None, "", " "])
@pytest.mark.parametrize("name", ["upload_from", "download_to"])
def test_a_file_that_a_template_leaves_blank_is_an_error_and_no_other_call(
    name: str, blank: str | None, connect: Connect, bill: LocalBill
) -> None:
    connect("v3")
    given: dict[str, Any] = {name: "{{ ti.xcom_pull(task_ids='gone') }}"}
    operator = BillApiOperator(task_id="x", endpoint=PATH, **given)
    setattr(operator, name, blank)  # as Airflow does when it renders the template
    with pytest.raises(BillConfigurationError, match=f"{name} is blank"):
        operator.execute({})
    assert bill.stats()["requests"] == 0


def test_an_endpoint_that_is_a_link_without_its_scheme_is_refused_too(connect: Connect, bill: LocalBill) -> None:
    connect("v3")
    operator = BillApiOperator(task_id="x", endpoint="//files.bill.com/s3cret", download_to="x")
    with pytest.raises(BillConfigurationError, match="endpoint is a full address") as caught:
        operator.execute({})
    assert "s3cret" not in str(caught.value)
    assert bill.stats()["requests"] == 0
