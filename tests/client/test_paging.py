"""Lists that end, go on over empty pages, and never run in a circle."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_bill.client.paging import v2_rows, v3_rows
from airflow_provider_bill.exceptions import BillApiError


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
