"""Every form of answer, sorted by BILL's code first and by the HTTP status second."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_bill.client.answers import QUOTED_LENGTH, Answer, read_v2, read_v3
from airflow_provider_bill.client.codes import CODES
from airflow_provider_bill.client.request import Purpose, prepare, v3_request
from airflow_provider_bill.client.transport import HttpResponse
from airflow_provider_bill.exceptions import (
    BillApiError,
    BillConcurrencyError,
    BillError,
    BillMfaError,
    BillMfaRequiredError,
    BillOutcomeUnknownError,
    BillRateLimitError,
    BillSessionExpiredError,
    BillSignInRefusedError,
    BillUnavailableError,
)
from dev.clock import START

Read = Callable[[HttpResponse, Callable[[str], str]], Answer]

READ, WRITE, SIGN_IN, STEP = Purpose.READ, Purpose.WRITE, Purpose.SIGN_IN, Purpose.STEP
HTML = "<html><body><h1>502 Bad Gateway</h1></body></html>"


def plain(text: str) -> str:
    return text


def reply(status: int, body: Any = b"", purpose: Purpose = READ, label: str = "GET /v3/vendors") -> HttpResponse:
    content = body if isinstance(body, bytes) else (body if isinstance(body, str) else json.dumps(body)).encode()
    method, path = label.split(" ")
    return HttpResponse(v3_request(method, path, purpose), status, content, START)


def refusal(
    status: int, body: Any, purpose: Purpose = READ, label: str = "GET /v3/vendors", read: Read = read_v3
) -> Any:
    with pytest.raises(BillError) as caught:
        read(reply(status, body, purpose, label), plain)
    return caught.value


def array(*codes: str, message: str = "Words.") -> list[dict[str, Any]]:
    return [{"code": code, "severity": "ERROR", "message": message, "params": {}} for code in codes]


def envelope(code: str, message: str = "Words.") -> dict[str, Any]:
    return {
        "response_status": 1,
        "response_message": "Error",
        "response_data": {"error_code": code, "error_message": message},
    }


REFUSED = (1101, 1102, 1103, 1104, 1105, 1106, 1110, 1111, 1113, 1178)
MFA_STEPS = (1354, 1355, 1356, 1358, 1374, 5324)
CALLS = (1002, 1108, 1120, 1121, 1122, 1123, 1128, 1129, 1130, 1131, 1150, 1151, 1152, 1159, 1171, 1205, 1402, 1570)
EXPECTED = {
    **dict.fromkeys(REFUSED, BillSignInRefusedError),
    **dict.fromkeys(MFA_STEPS, BillMfaError),
    **dict.fromkeys(CALLS, BillApiError),
    1001: BillUnavailableError,
    1107: BillRateLimitError,
    1109: BillSessionExpiredError,
    1144: BillRateLimitError,
    1322: BillConcurrencyError,
    1361: BillMfaRequiredError,
}


def test_every_code_of_the_table_is_expected_here() -> None:
    assert {code for code in CODES if code.startswith("BDC_")} == {f"BDC_{number}" for number in EXPECTED}


@pytest.mark.parametrize(("number", "cls"), EXPECTED.items())
def test_a_code_decides_in_both_dialects_whatever_the_status(number: int, cls: type[BillError]) -> None:
    code = f"BDC_{number}"
    errors = [refusal(status, array(code)) for status in (400, 401, 403, 404, 422, 429)]
    errors += [refusal(400, {"code": code, "message": "Words."}), refusal(200, envelope(code), read=read_v2)]
    for error in errors:
        assert type(error) is cls
        assert error.code == code
        assert code in str(error)
        assert "Words" in str(error)
        assert error.advice
        assert CODES[code].meaning in str(error)
        assert "\n" not in str(error)


@pytest.mark.parametrize("number", [1123, 1129, 1101, 1102, 1110, 1178])
def test_at_a_sign_in_a_wrong_organization_is_a_refusal_of_the_credentials(number: int) -> None:
    for error in (
        refusal(400, array(f"BDC_{number}"), SIGN_IN),
        refusal(200, envelope(f"BDC_{number}"), SIGN_IN, read=read_v2),
    ):
        assert type(error) is BillSignInRefusedError
        assert not error.retryable
    assert "organization_id" in refusal(400, array("BDC_1123"), SIGN_IN).advice


@pytest.mark.parametrize(
    ("status", "purpose", "cls"),
    [
        (401, READ, BillSessionExpiredError),
        (401, WRITE, BillSessionExpiredError),
        (401, SIGN_IN, BillSignInRefusedError),
        (403, SIGN_IN, BillSignInRefusedError),
        (403, READ, BillApiError),
        (400, READ, BillApiError),
        (404, READ, BillApiError),
        (422, WRITE, BillApiError),
        (423, READ, BillRateLimitError),
        (429, WRITE, BillRateLimitError),
        (408, READ, BillUnavailableError),
        (500, READ, BillUnavailableError),
        (502, WRITE, BillOutcomeUnknownError),
        (503, SIGN_IN, BillUnavailableError),
        (504, STEP, BillUnavailableError),
    ],
)
@pytest.mark.parametrize("body", ["", HTML, '{"results":[{', "null", {"message": "Words."}, array("BDC_9999")])
def test_without_a_known_code_the_status_decides(
    status: int, purpose: Purpose, cls: type[BillError], body: Any
) -> None:
    for read in (read_v3, read_v2):
        error = refusal(status, body, purpose, read=read)
        assert type(error) is cls
        assert error.status == status
        assert "<html" not in str(error)


@pytest.mark.parametrize("code", ["BDC_1001", "BDC_1002", "BDC_1152", "BDC_9999"])
def test_a_5xx_with_a_code_leaves_the_outcome_of_a_write_unknown(code: str) -> None:
    assert type(refusal(500, array(code), WRITE)) is BillOutcomeUnknownError
    assert type(refusal(500, array(code), READ)) is BillUnavailableError


@pytest.mark.parametrize("code", ["BDC_1109", "BDC_1144", "BDC_1322", "BDC_1361", "BDC_1101"])
def test_a_5xx_with_a_code_that_says_refused_before_acting_is_believed(code: str) -> None:
    assert type(refusal(500, array(code), WRITE)) is CODES[code].error


def test_a_system_error_in_v2_leaves_the_outcome_of_a_write_unknown() -> None:
    assert type(refusal(200, envelope("BDC_1001"), WRITE, read=read_v2)) is BillOutcomeUnknownError


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_an_error_that_names_the_host_setting(status: int) -> None:
    error = refusal(status, "")
    assert type(error) is BillApiError
    assert "redirect" in str(error)
    assert "host" in error.advice


def test_the_hourly_limit_says_when_the_next_hour_begins() -> None:
    for error in (
        refusal(422, array("BDC_1144")),
        refusal(200, envelope("BDC_1144"), read=read_v2),
    ):
        assert error.retry_at == START.start_of("hour").add(hours=1)
        assert error.retryable


def test_a_limit_without_a_code_of_bill_is_waited_for_a_minute_and_not_for_the_hour() -> None:
    error = refusal(429, "")
    assert error.retry_at == START.add(minutes=1)
    assert error.retryable
    assert "hour" not in str(error)


def test_limits_by_the_minute_and_a_locked_organization_have_moments_of_their_own() -> None:
    spend = refusal(429, {"error": "rate_limited", "message": "60 per minute"}, label="GET /v3/spend/cards")
    text = refusal(422, array("BDC_1144", message="5 text messages per minute"), STEP, "POST /v3/mfa/challenge")
    assert spend.retry_at == text.retry_at == START.add(minutes=1)
    assert refusal(423, array("BDC_1107")).retry_at == START.add(minutes=15)
    assert refusal(422, array("BDC_1144"), STEP).retry_at == START.start_of("hour").add(hours=1)


def test_of_several_errors_the_code_that_says_most_is_taken_and_messages_are_joined() -> None:
    body = [
        {"code": "BDC_9999", "message": "address: must not be null"},
        {"code": "BDC_1002", "message": "name: must not be null"},
        {"code": "BDC_1109", "message": "Session is invalid.  Please log in."},
        {"code": "BDC_1109", "message": "0090: Session is invalid.  Please log in."},
    ]
    error = refusal(400, body)
    assert error.code == "BDC_1109"
    assert str(error).count("Session is invalid. Please log in.") == 1
    assert "address: must not be null; name: must not be null" in str(error)


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ([{"name": "date", "value": "2026-01-01", "additional": None}], "Invalid Process Date : 2026-01-01."),
        ({"paramName0": "2026-01-01"}, "Invalid Process Date : 2026-01-01."),
        ({}, "Invalid Process Date."),
        (None, "Invalid Process Date."),
        ([{"name": "date"}], "Invalid Process Date."),
        ("text", "Invalid Process Date."),
    ],
)
def test_templates_are_filled_from_params_or_dropped(params: Any, words: str) -> None:
    body = [{"code": "BDC_1152", "message": "Invalid Process Date : ${paramName0}.", "params": params}]
    assert words in str(refusal(422, body))


MANY = 200_000


@pytest.mark.parametrize(
    "message",
    [
        "${p" + "9" * 5000 + "}",
        "${" + "9" * MANY,
        "${" + "a1" * (MANY // 2),
        "${p" * (MANY // 3),
        "${" * (MANY // 2),
        "{" * MANY,
        " " * MANY,
        ": , " * (MANY // 4) + "x",
        ("  " * 500 + "${") * 200,
        "${p0}" * (MANY // 5),
    ],
    ids=range(10),
)
@pytest.mark.parametrize("params", [None, [{"value": "x" * MANY}], {"p0": "x" * MANY, "p": "x" * MANY}])
def test_no_template_of_a_message_takes_long_or_makes_more_of_it(message: str, params: Any) -> None:
    # A reader whose time grows with the square of the length meets the time limit of the test.
    error = refusal(422, [{"code": "BDC_1152", "message": message, "params": params}])
    assert error.code == "BDC_1152"
    assert len(str(error)) < QUOTED_LENGTH + 200


@pytest.mark.parametrize("value", [{"a": 1}, ["a"], True])
def test_a_template_is_filled_with_plain_values_only(value: Any) -> None:
    body = [{"code": "BDC_1152", "message": "Invalid Process Date : ${paramName0}.", "params": [{"value": value}]}]
    assert "Invalid Process Date." in str(refusal(422, body))


def test_thousands_of_errors_in_one_answer_do_not_take_long() -> None:
    body = [{"code": "BDC_1152", "message": f"x{number:06} is wrong"} for number in range(MANY // 2)]
    error = refusal(422, body)
    assert "x000000 is wrong; x000001 is wrong" in str(error)
    assert len(str(error)) < QUOTED_LENGTH + 200


@pytest.mark.parametrize(
    "body",
    [
        "[" * 900 + "]" * 900,
        '{"errors":' * 900 + "[]" + "}" * 900,
        '{"response_data":' * 900 + "{}" + "}" * 900,
        '[{"code":"BDC_9999","message":"${p}","params":{"p":' + "[" * 900 + "]" * 900 + "}}]",
    ],
    ids=range(4),
)
def test_an_answer_nested_deeply_is_an_error_of_ours(body: str) -> None:
    assert type(refusal(400, body)) is BillApiError


def test_a_code_that_is_none_is_shortened_and_holds_no_secret() -> None:
    response = reply(400, [{"code": "dev-key-1\n" + "x" * 5000, "message": "Words."}])
    with pytest.raises(BillApiError) as caught:
        read_v3(response, lambda text: text.replace("dev-key-1", "***"))
    assert "dev-key-1" not in f"{caught.value} {caught.value.code}"
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 2 * QUOTED_LENGTH + 200


def test_bills_words_are_shortened_and_put_on_one_line() -> None:
    error = refusal(400, [{"code": "BDC_1122", "message": "a\n" + "x" * 5000}])
    assert "\n" not in str(error)
    assert len(str(error)) < QUOTED_LENGTH + 200


@pytest.mark.parametrize("body", ["", "  "])
def test_an_empty_answer_is_fine_where_nothing_is_asked_for(body: Any) -> None:
    assert read_v3(reply(200, body, STEP), plain).body is None
    assert read_v3(reply(204, "", READ), plain).body is None
    assert type(refusal(200, body, READ)) is BillUnavailableError


@pytest.mark.parametrize(
    ("method", "path", "documented"),
    [
        ("DELETE", "/v3/vendors/0091/bank-account", True),
        ("POST", "/v3/invoices/00e1/email", True),
        ("POST", "/v3/network/invitation/vendor/0091", True),
        ("POST", "/v3/payments", False),
        ("POST", "/v3/payments/bulk", False),
        ("POST", "/v3/invoices", False),
        ("PUT", "/v3/vendors/0091", False),
    ],
)
@pytest.mark.parametrize("status", [200, 204])
def test_an_empty_answer_to_a_write_is_one_only_where_bill_documents_it(
    status: int, method: str, path: str, documented: bool
) -> None:
    response = HttpResponse(prepare(method, path), status, b"", START)
    if documented:
        assert read_v3(response, plain).body is None
        return
    with pytest.raises(BillOutcomeUnknownError, match="empty body"):
        read_v3(response, plain)


@pytest.mark.parametrize("body", [HTML, '{"results":[{"id":"0090', "[" * 100000, b"\xff\xfe\x00"])
def test_a_200_that_is_not_json_is_no_answer(body: Any) -> None:
    for read in (read_v3, read_v2):
        assert type(refusal(200, body, READ, read=read)) is BillUnavailableError
        assert type(refusal(200, body, WRITE, read=read)) is BillOutcomeUnknownError
        assert type(refusal(200, body, SIGN_IN, read=read)) is BillUnavailableError


@pytest.mark.parametrize(
    "body", ["", {}, [], "null", {"response_data": []}, {"response_status": None}, {"response_status": False},
             {"response_status": 2, "response_data": []}, {"results": []}],
)  # fmt: skip
def test_v2_without_an_envelope_is_never_a_success(body: Any) -> None:
    read, write = (refusal(200, body, purpose, read=read_v2) for purpose in (READ, WRITE))
    assert (type(read), read.status) == (BillUnavailableError, 200)
    assert (type(write), write.status) == (BillOutcomeUnknownError, 200)


@pytest.mark.parametrize("outcome", [0, "0"])
def test_v2_gives_the_data_of_a_success(outcome: Any) -> None:
    body = {"response_status": outcome, "response_message": "Success", "response_data": [{"id": 1}]}
    assert read_v2(reply(200, body), plain).body == [{"id": 1}]


def test_v2_with_another_status_than_200_is_no_success_either() -> None:
    body = {"response_status": 0, "response_message": "Success", "response_data": {}}
    assert type(refusal(500, body, READ, read=read_v2)) is BillUnavailableError


@pytest.mark.parametrize("body", [envelope(""), {"response_status": 1}, {"response_status": "1", "response_data": []}])
def test_a_v2_error_without_a_code_is_still_an_error(body: Any) -> None:
    assert type(refusal(200, body, read=read_v2)) is BillApiError


@pytest.mark.parametrize(
    ("status", "error", "purpose", "cls"),
    [
        (401, "invalid_client", SIGN_IN, BillSignInRefusedError),
        (400, "invalid_client", SIGN_IN, BillSignInRefusedError),
        (400, "unauthorized_client", SIGN_IN, BillSignInRefusedError),
        (400, "invalid_grant", SIGN_IN, BillSignInRefusedError),
        (400, "invalid_scope", SIGN_IN, BillSignInRefusedError),
        (400, "unsupported_grant_type", SIGN_IN, BillApiError),
        (400, "invalid_request", SIGN_IN, BillApiError),
        (401, "invalid_token", READ, BillSessionExpiredError),
        (403, "insufficient_scope", WRITE, BillApiError),
        (503, "temporarily_unavailable", SIGN_IN, BillUnavailableError),
    ],
)
def test_oauth_errors_are_sorted_too(status: int, error: str, purpose: Purpose, cls: type[BillError]) -> None:
    found = refusal(status, {"error": error, "error_description": "Words of BILL."}, purpose)
    assert type(found) is cls
    assert "Words of BILL" in str(found)
    assert found.advice


@pytest.mark.parametrize(
    "message",
    [
        "${p" + "9" * 5000 + "}",
        "${p" + "9" * 200_000,
        "${" * 100_000,
        "$" + "{a1" * 70_000,
        " :," * 70_000 + "$",
        "${paramName\u0662}",
        "${99999999999999999999}",
    ],
)
def test_a_message_made_to_be_slow_or_to_break_its_reader_is_an_ordinary_refusal(message: str) -> None:
    # A reader whose time grows with the square of the length meets the time limit of this test.
    error = refusal(400, [{"code": "BDC_1152", "message": message, "params": [{"value": "x"}]}] * 50)
    assert type(error) is BillApiError
    assert error.code == "BDC_1152"


def test_an_answer_nested_without_end_is_a_refusal_without_words() -> None:
    assert type(refusal(400, "[" * 800 + "]" * 800)) is BillApiError
    assert type(refusal(400, '{"errors":' * 800 + "[]" + "}" * 800)) is BillApiError
