"""Lists that end, go on over empty pages, and never run in a circle."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_bill.client.auth import credentials_from
from airflow_provider_bill.client.paging import v2_rows, v3_list, v3_rows
from airflow_provider_bill.exceptions import BillApiError, BillConfigurationError
from tests.client.calls import v3_call
from tests.client.spend_server import SpendServer

if TYPE_CHECKING:
    from tests.client.conftest import MakeClient


def fetching(*bodies: Any) -> tuple[Callable[[Any], Any], list[Any]]:
    """Give the bodies one after the other, and note what was asked."""
    asked: list[Any] = []
    waiting = list(bodies)

    def fetch(query: Any) -> Any:
        asked.append(query)
        return waiting.pop(0)

    return fetch, asked


@pytest.mark.parametrize("end", [{}, {"nextPage": None}, {"nextPage": ""}])
def test_a_v3_list_ends_when_there_is_no_next_page(end: dict[str, Any]) -> None:
    fetch, asked = fetching({"results": [{"id": 1}], "nextPage": "b"}, {"results": [{"id": 2}], **end})
    assert list(v3_rows(fetch, {"sort": "name:asc"})) == [{"id": 1}, {"id": 2}]
    assert asked == [{"max": 100, "sort": "name:asc"}, {"max": 100, "sort": "name:asc", "page": "b"}]


def test_an_empty_page_with_a_next_one_is_not_the_end() -> None:
    fetch, _ = fetching({"results": [], "nextPage": "b"}, {"results": None, "nextPage": "c"}, {"results": [{"id": 3}]})
    assert list(v3_rows(fetch, None)) == [{"id": 3}]


def test_a_callers_own_max_and_page_are_kept() -> None:
    fetch, asked = fetching({"results": []})
    assert list(v3_rows(fetch, {"max": 5, "page": "p"})) == []
    assert asked == [{"max": 5, "page": "p"}]


@pytest.mark.parametrize("cursors", [["a", "a"], ["a", "b", "a"]])
def test_a_page_cursor_that_repeats_raises_after_the_rows_so_far(cursors: list[str]) -> None:
    fetch, asked = fetching(*({"results": [{"id": n}], "nextPage": c} for n, c in enumerate(cursors)))
    rows = v3_rows(fetch, None)
    got = [next(rows) for _ in cursors]
    with pytest.raises(BillApiError, match="cursor 'a' twice") as caught:
        next(rows)
    assert got == [{"id": n} for n in range(len(cursors))]
    assert len(asked) == len(cursors)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("body", [{"bills": [{"id": 1}]}, [{"id": 1}], {"results": [{"id": 1}]}])
def test_approval_lists_are_lists_too(body: Any) -> None:
    fetch, _ = fetching(body)
    assert list(v3_rows(fetch, None)) == [{"id": 1}]


@pytest.mark.parametrize("body", [None, {}, {"id": 1}, "text", {"results": "text"}, {"results": [], "nextPage": 3}])
def test_a_v3_body_that_is_no_list_is_an_error(body: Any) -> None:
    fetch, _ = fetching(body)
    with pytest.raises(BillApiError, match="list"):
        list(v3_rows(fetch, None))


@pytest.fixture
def spend() -> Iterator[SpendServer]:
    server = SpendServer()
    yield server
    server.close()


@pytest.mark.parametrize(("name", "size"), [("transactions", 50), ("cards", 100), ("brand-new", 100)])
def test_a_thousand_rows_of_spend_and_expense_come_each_once(
    name: str, size: int, make_client: MakeClient, spend: SpendServer
) -> None:
    client = make_client(credentials_from("spend_token", {"password": "spend-token-1"}), spend.url)
    session, path = client.sign_in(), f"/v3/spend/{name}"
    rows = list(v3_list(lambda query: v3_call(client, session, "GET", path, params=query).body, path))
    assert [row["id"] for row in rows] == list(range(1000))
    assert spend.queries[0] == {"max": str(size)}
    assert spend.queries[1] == {"max": str(size), "nextPage": str(size)}
    assert len(spend.queries) == 1000 / size


def test_a_cursor_of_the_wrong_name_would_give_the_first_page_for_ever_and_is_found_out(spend: SpendServer) -> None:
    import requests

    def fetch(query: dict[str, Any]) -> Any:
        return requests.get(f"{spend.url}/v3/spend/cards", params=query, timeout=5).json()

    rows = v3_rows(fetch, None, cursor="page")
    with pytest.raises(BillApiError, match="twice"):
        list(rows)
    assert len(spend.queries) == 2


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        ("/v3/vendors", {"max": 100}),
        ("/v3/login/organizations", {}),
        ("/v3/funding-accounts/cards", {}),
        ("/v3/funding-accounts/ap-cards", {}),
        ("/v3/network", {}),
        ("/v3/organizations/industries", {}),
        ("/v3/exports", {}),
        ("/v3/spend/transactions", {"max": 50}),
        ("/v3/spend/budgets", {"max": 100}),
        ("/v3/reports/audit-trail/vendor/0091", {"start": 0, "max": 100}),
        ("/v3/subscriptions", {"max": 100}),
        ("/v3/brand-new", {"max": 100}),
    ],
)
@pytest.mark.parametrize("body", [[{"id": 1}], {"results": [{"id": 1}]}])
def test_each_list_is_asked_for_as_many_rows_as_it_gives(path: str, asked: dict[str, Any], body: Any) -> None:
    fetch, queries = fetching(body)
    assert list(v3_list(fetch, path)) == [{"id": 1}]
    assert queries == [asked]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v3/funding-accounts/cards", {"rates": {}, "cards": [{"id": 1}]}),
        ("/v3/funding-accounts/ap-cards", [{"id": 1}]),
        ("/v3/bill-approvals/pending-user-approvals", {"bills": [{"id": 1}]}),
        ("/v3/bill-approvals/policies", [{"id": 1}]),
        ("/v3/events/catalog", [{"id": 1}]),
        ("/v3/documents/upload-status", [{"id": 1}]),
    ],
)
def test_rows_are_found_wherever_bill_keeps_them(path: str, body: Any) -> None:
    fetch, _ = fetching(body)
    assert list(v3_list(fetch, path)) == [{"id": 1}]


@pytest.mark.parametrize(
    ("path", "params", "size", "words"),
    [
        ("/v3/spend/transactions", None, 51, "page_size is 51.*1 to 50 rows"),
        ("/v3/spend/transactions", {"max": 100}, None, "max of the query is 100.*1 to 50 rows"),
        ("/v3/spend/cards", None, 101, "1 to 100 rows"),
        ("/v3/vendors", None, 101, "1 to 100 rows"),
        ("/v3/vendors", None, 0, "1 to 100 rows"),
        ("/v3/brand-new", None, 101, "1 to 100 rows"),
        ("/v3/exports", None, 10, "takes no number of rows"),
        ("/v3/exports", {"max": 10}, None, "takes no number of rows"),
        ("/v3/spend/cards", {"page": "x"}, None, "'page', which .*nextPage"),
        ("/v3/vendors", {"nextPage": "x"}, None, "'nextPage', which .*page"),
        ("/v3/exports", {"page": "x"}, None, "'page', which .*one page"),
        ("/v3/vendors/0091", None, None, "no list"),
        ("/v3/health", None, None, "no list"),
    ],
)
def test_what_a_list_does_not_take_is_refused_before_anything_is_sent(
    path: str, params: Any, size: int | None, words: str
) -> None:
    fetch, asked = fetching()
    with pytest.raises(BillConfigurationError, match=words):
        list(v3_list(fetch, path, params, page_size=size))
    assert asked == []


def test_a_page_size_that_a_list_takes_is_kept_and_so_is_a_cursor_of_the_callers_own() -> None:
    fetch, asked = fetching({"results": [{"id": 1}]})
    assert list(v3_list(fetch, "/v3/spend/transactions", {"nextPage": "x"}, page_size=50)) == [{"id": 1}]
    assert asked == [{"max": 50, "nextPage": "x"}]


def test_an_audit_trail_goes_on_by_start_and_ends_on_a_short_page() -> None:
    fetch, asked = fetching([{"id": 1}, {"id": 2}], [{"id": 3}])
    path = "/v3/reports/audit-trail/vendor/0091"
    assert [row["id"] for row in v3_list(fetch, path, page_size=2)] == [1, 2, 3]
    assert asked == [{"start": 0, "max": 2}, {"start": 2, "max": 2}]


def test_an_audit_trail_begins_where_the_caller_says() -> None:
    fetch, asked = fetching([{"id": 8}])
    assert list(v3_list(fetch, "/v3/reports/audit-trail/vendor/0091", {"start": 7}, page_size=2)) == [{"id": 8}]
    assert asked == [{"start": 7, "max": 2}]


def test_a_list_of_one_page_that_names_a_next_one_is_an_error_after_its_rows() -> None:
    fetch, _ = fetching({"results": [{"id": 1}], "nextPage": "b"})
    rows = v3_list(fetch, "/v3/exports")
    assert next(rows) == {"id": 1}
    with pytest.raises(BillApiError, match="one page only names a next one"):
        next(rows)


@pytest.mark.parametrize("size", [0, 1000])
def test_a_v2_list_takes_no_other_page_size(size: int) -> None:
    fetch, asked = fetching()
    with pytest.raises(BillConfigurationError, match="1 to 999 rows"):
        list(v2_rows(fetch, None, page_size=size))
    assert asked == []


def test_a_v2_list_ends_on_a_short_page() -> None:
    fetch, asked = fetching([{"id": 1}, {"id": 2}], [{"id": 3}])
    assert [row["id"] for row in v2_rows(fetch, {"filters": []}, page_size=2)] == [1, 2, 3]
    assert asked == [{"start": 0, "max": 2, "filters": []}, {"start": 2, "max": 2, "filters": []}]


def test_a_v2_list_of_full_pages_ends_on_an_empty_one() -> None:
    fetch, asked = fetching([{"id": 1}, {"id": 2}], [])
    assert len(list(v2_rows(fetch, None, page_size=2))) == 2
    assert len(asked) == 2


def test_v2_asks_for_999_rows_by_default() -> None:
    fetch, asked = fetching([])
    assert list(v2_rows(fetch, None)) == []
    assert asked == [{"start": 0, "max": 999}]


def test_a_v2_page_that_repeats_raises_after_the_rows_so_far() -> None:
    fetch, asked = fetching([{"id": 1}], [{"id": 1}])
    rows = v2_rows(fetch, None, page_size=1)
    assert next(rows) == {"id": 1}
    with pytest.raises(BillApiError, match="same page of 1 rows twice"):
        next(rows)
    assert len(asked) == 2


@pytest.mark.parametrize("body", [None, {}, {"results": []}])
def test_a_v2_answer_that_is_no_list_is_an_error(body: Any) -> None:
    fetch, _ = fetching(body)
    with pytest.raises(BillApiError, match="no list"):
        list(v2_rows(fetch, None))


@pytest.mark.parametrize("most", [0, -1, 1000, "0", "1000", "many", None, 2.5, True])
def test_a_v2_list_is_not_asked_for_pages_that_would_end_it_too_soon_or_never(most: Any) -> None:
    fetch, asked = fetching([{"id": number} for number in range(999)])
    with pytest.raises(BillConfigurationError, match=r"max is .* 1 to 999 rows"):
        list(v2_rows(fetch, {"max": most}))
    assert asked == []


@pytest.mark.parametrize("most", ["0", "101", "many"])
def test_a_v3_list_that_pages_by_start_takes_no_such_number_as_text_either(most: str) -> None:
    fetch, asked = fetching([])
    with pytest.raises(BillConfigurationError, match=r"max of the query is .* 1 to 100 rows"):
        list(v3_list(fetch, "/v3/reports/audit-trail/vendor/0091", {"max": most}))
    assert asked == []


def test_a_number_of_rows_may_be_text_and_a_start_is_kept() -> None:
    fetch, asked = fetching([{"id": 1}, {"id": 2}], [])
    assert list(v2_rows(fetch, {"max": "2", "start": "4"})) == [{"id": 1}, {"id": 2}]
    assert [(int(query["start"]), query["max"]) for query in asked] == [(4, "2"), (6, "2")]


@pytest.mark.parametrize("start", ["first", None, -1, [0]])
def test_a_start_that_is_no_number_is_refused(start: Any) -> None:
    fetch, asked = fetching([])
    with pytest.raises(BillConfigurationError, match="start is "):
        list(v2_rows(fetch, {"start": start}))
    assert asked == []


@pytest.mark.parametrize("cursor", [["a"], {"a": 1}, 3])
def test_a_cursor_that_is_not_text_is_refused(cursor: Any) -> None:
    fetch, asked = fetching({"results": []})
    with pytest.raises(BillConfigurationError, match="'page' that is not text"):
        list(v3_list(fetch, "/v3/vendors", {"page": cursor}))
    assert asked == []
