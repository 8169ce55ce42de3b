"""Which path goes to which method, found out before anything is sent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_bill.client.paths import check_method, check_params, is_read, v2_path, v3_path
from airflow_provider_bill.client.request import prepare
from airflow_provider_bill.exceptions import BillConfigurationError


@pytest.mark.parametrize(
    "path",
    [
        "/v3/vendors", "v3/vendors", "/v3/vendors/009%2B1", "/v3/vendors/009%2b1", "/v3/vendors/a@b.example",
        "/v3/vendors/a%40b.example", "/v3/vendors/a%20b", "/v3/vendors/M%C3%BCller", "/v3/vendors/", "/v3/spend/cards",
    ],
)  # fmt: skip
def test_a_v3_path_is_taken(path: str) -> None:
    assert v3_path(path) == "/" + path.strip("/")


@pytest.mark.parametrize("path", ["List/Vendor.json", "/Crud/Read/Vendor.json", "Login.json"])
def test_a_v2_path_is_taken(path: str) -> None:
    assert v2_path(path) == "/" + path.lstrip("/")


@pytest.mark.parametrize("path", ["/List/Vendor.json", "List/Vendor.json", "/api/v2/List/Vendor.json"])
def test_a_v2_path_on_request_is_refused_naming_call(path: str) -> None:
    with pytest.raises(BillConfigurationError, match=r"v2 path.*use call\(\)"):
        v3_path(path)


@pytest.mark.parametrize("path", ["/v3/vendors", "v3/vendors", "/connect/v3/vendors"])
def test_a_v3_path_on_call_is_refused_naming_request(path: str) -> None:
    with pytest.raises(BillConfigurationError, match=r"v3 path.*use request\(\)"):
        v2_path(path)


@pytest.mark.parametrize("check", [v3_path, v2_path])
@pytest.mark.parametrize(
    "path",
    [
        "", "  ", "/", "https://evil.example.com/v3/vendors", "//evil.example.com/v3/x.json",
        "/v3/vendors?sessionId=s3cret", "/List/Vendor.json?devKey=s3cret", "/v3/vendors#x",
        "/v3/../x.json", "/v3/%2e%2e/x.json",
        "/v3/a/%2E%2E%2Fb.json", "/v3/a b", "/v3/a\\b.json", "/v3/a\nb", "/v3//a.json", "/connect/vendors",
        # parameters of a segment, which Tomcat drops before it goes up
        "/List/..;/PayBills.json", "/v3/vendors/..;/payments", "/v3/vendors;sessionId=s3cret", "/v3/vendors;x.json",
        "/List/..%3B/PayBills.json", "/v3/vendors/..%3b/payments", "/v3/vendors/%3BsessionId=s3cret",
        # what ends a text, a line or a path for somebody on the way
        "/List/Vendor%00.json", "/v3/vendors%00", "/v3/vendors/%0d%0aX-A:%201", "/v3/a%7F", "/v3/a%09.json",
        "/v3/a%C2%85b", "/v3/a%E2%80%A8b", "/v3/vendors%3FdevKey=s3cret", "/List/Vendor%23.json",
        # separators and steps up, however they are written
        "/v3/a%2Fb", "/v3/a%2fb.json", "/v3/a%5Cb", "/v3/a%5cb.json", "/v3/./a.json", "/v3/.../a.json", "/v3/..%20/a",
        "/v3/a%C0%AFb", "/v3/%C0%AE%C0%AE/a", "/v3/a%E0%80%AFb", "/v3/a%EF%BC%8Fb", "/v3/%EF%BC%8E%EF%BC%8E/a",
        "/v3/%E2%80%A5/a", "/v3/a%EF%BC%9Bb",
        # escaped twice, wrongly or without need
        "/v3/a%252Fb", "/v3/%252e%252e/a", "/v3/a%25b", "/v3/a%2", "/v3/a%", "/v3/a%zz", "/v3/a%u002Fb", "/v3/a%FF",
        "/v3/p%61yments", "/v3/payments%2Fbulk", "/L%69st/Vendor.json", "/PayB%69lls.json", "/v3/vendors%2Ejson",
    ],
)  # fmt: skip
def test_a_path_that_could_lead_elsewhere_is_refused(check: Callable[[str], str], path: str) -> None:
    with pytest.raises(BillConfigurationError) as caught:
        check(path)
    assert "s3cret" not in str(caught.value)
    assert "evil" not in str(caught.value)


@pytest.mark.parametrize("check", [v3_path, v2_path])
@pytest.mark.parametrize(
    "inner",
    [
        "..;", ";x=1", "a;b", "%00", "%0a", "%0D", "%1f", "%7F", "%2f", "%2F", "%5c", "%3b", "%3F", "%23",
        "%25", "%252e", "%", "%2", "%zz", "%u002e", ".%2e", "%2E%2e", "a\u0000b", "\u2024\u2024", "a\tb",
    ],
)  # fmt: skip
def test_a_segment_that_a_server_may_read_as_something_else_is_refused(check: Callable[[str], str], inner: str) -> None:
    prefix, end = ("/v3/vendors", "x") if check is v3_path else ("/List", "PayBills.json")
    with pytest.raises(BillConfigurationError, match="not a plain path"):
        check(f"{prefix}/{inner}/{end}")


@pytest.mark.parametrize("inner", ["009%2B1", "a%20b", "%C3%BC", "a:b@c", "00901ABC.v1", "~x", "a,b(c)'d'"])
def test_an_id_that_is_sanely_encoded_is_taken(inner: str) -> None:
    assert v3_path(f"/v3/vendors/{inner}") == f"/v3/vendors/{inner}"


def test_methods_that_bill_has_are_taken_in_any_case() -> None:
    assert check_method("patch") == "PATCH"
    with pytest.raises(BillConfigurationError, match=r"TRACE.*GET"):
        check_method("TRACE")


@pytest.mark.parametrize(
    "name",
    [
        "devKey", "sessionId", "password", "apiToken", "rememberMeId", "session_id", "SESSION-ID", "dev_key", " devKey",
        "client_secret", "clientSecret", "accessToken",
    ],
)  # fmt: skip
def test_no_credential_goes_into_a_query(name: str) -> None:
    with pytest.raises(BillConfigurationError, match=name) as caught:
        check_params({name: "s3cret"})
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    "params",
    [
        "", "max=1", "sessionId=s3cret", b"sessionId=s3cret", [("sessionId", "s3cret")], [("max", 1)], [], 7,
        {7: "s3cret"}, {b"sessionId": "s3cret"}, {("a", "b"): 1},
    ],
)  # fmt: skip
def test_query_parameters_are_a_mapping_with_text_for_names(params: Any) -> None:
    with pytest.raises(BillConfigurationError, match=r"query.*mapping of names") as caught:
        prepare("GET", "/v3/vendors", params=params)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    "value",
    [
        float("nan"), float("inf"), -float("inf"), {"sessionId": "s3cret"}, b"s3cret", [["s3cret"]], [{"a": "s3cret"}],
        [1, float("nan")], [b"s3cret"], [None], {"s3cret"}, object(), iter(["s3cret"]),
    ],
)  # fmt: skip
def test_a_query_parameter_that_is_no_plain_value_is_refused_by_name(value: Any) -> None:
    with pytest.raises(BillConfigurationError, match=r"query.*'filters'.*list of them") as caught:
        prepare("GET", "/v3/vendors", params={"max": 1, "filters": value})
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    "params", [None, {}, {"a": "x", "b": 1, "c": 1.5, "d": True, "e": ["x", 1], "f": ("y",), "g": None}]
)
def test_plain_query_parameters_are_taken_as_they_are(params: Any) -> None:
    assert prepare("GET", "/v3/vendors", params=params).params == params


def deep() -> Any:
    value: Any = 1
    for _ in range(100_000):
        value = [value]
    return value


@pytest.mark.parametrize("path", ["/v3/vendors", "Crud/Create/Vendor.json"])
@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), {"a": [-float("inf")]}, {("a",): 1}, b"x", {1, 2}, object(), deep()]
)
def test_a_body_that_is_not_json_is_refused_before_anything_else_is_done(path: str, value: Any) -> None:
    with pytest.raises(BillConfigurationError, match=r"^the body of POST /.* finite numbers"):
        prepare("POST", path, body={"amount": value})


@pytest.mark.parametrize(
    ("method", "path", "body", "protected"),
    [
        ("POST", "/v3/payments", {}, True),
        ("post", "/v3/payments/bulk", None, True),
        ("POST", "/v3/payments/bulk", [], True),
        ("POST", "/v3/vendors", [], False),
        ("POST", "/v3/vendors", [{"name": "x"}, {"autoPay": {"enabled": True}}], True),
        ("GET", "/v3/payments", None, False),
        ("POST", "/v3/payments/options", None, False),
        ("POST", "/v3/funding-accounts/banks", {}, True),
        ("PATCH", "/v3/funding-accounts/banks/bac1", {}, False),
        ("POST", "/v3/vendors", {"name": "x"}, False),
        ("POST", "/v3/vendors", {"autoPay": {"enabled": True}}, True),
        ("PATCH", "/v3/vendors/0091", {"autoPay": {"enabled": False}}, False),
        ("PATCH", "/v3/vendors/0091/autoPay", {"enabled": True}, True),
        ("PATCH", "/v3/vendors/0091/autoPay", {"enabled": False}, False),
        ("PATCH", "/v3/vendors/0091/autoPay", [], False),
        ("POST", "/v3/recurring-bills", {"autoPayment": True}, True),
        ("POST", "/v3/recurringbills", {"autoPayment": None}, False),
    ],
)
def test_the_protected_v3_calls_are_known(method: str, path: str, body: Any, protected: bool) -> None:
    assert prepare(method, path, body=body).is_protected is protected


@pytest.mark.parametrize(
    ("path", "read", "protected"),
    [
        ("/List/Vendor.json", True, False),
        ("/ListOrgs.json", True, False),
        ("/Crud/Read/Vendor.json", True, False),
        ("/GetSessionInfo.json", True, False),
        ("/Bulk/Crud/Read/Vendor.json", True, False),
        ("/Bulk/Crud/Create/Vendor.json", False, False),
        ("/SearchEntity.json", True, False),
        ("/Errors.json", True, False),
        ("/MFAStatus.json", True, False),
        ("/Crud/Create/Vendor.json", False, False),
        ("/MFAChallenge.json", False, False),
        ("/Logout.json", False, False),
        ("/PayBills.json", False, True),
        ("/paybills.json", False, True),
        ("/SendInvite.json", False, True),
        ("/SendVendorInvite.json", False, True),
        ("/Crud/Create/VendorBankAccount.json", False, True),
        ("/Crud/Read/VendorBankAccount.json", True, False),
    ],
)
def test_a_v2_path_tells_whether_it_reads_and_whether_it_is_protected(path: str, read: bool, protected: bool) -> None:
    assert is_read(path) is read
    request = prepare("POST", path)
    assert (request.is_write, request.is_protected) == (not read, protected)


@pytest.mark.parametrize(
    ("method", "path", "in_sandbox", "in_production"),
    [
        ("POST", "/v3/payments", True, True),
        ("POST", "v3/payments/bulk/", True, True),
        ("POST", "/v3/funding-accounts/banks", False, True),
        ("POST", "PayBills.json", False, True),
        ("GET", "/v3/payments", False, False),
        ("POST", "List/Vendor.json", False, False),
    ],
)
def test_what_bills_sandbox_lets_pass_without_mfa_needs_trust_in_production_only(
    method: str, path: str, in_sandbox: bool, in_production: bool
) -> None:
    needed = [prepare(method, path, environment=name).needs_trust for name in ("sandbox", "production")]
    assert needed == [in_sandbox, in_production]


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "delete"])
def test_whatever_is_no_get_is_a_write(method: str) -> None:
    assert is_read("/v3/vendors/009", method) is False
    assert prepare(method, "/v3/vendors/009").is_write
    assert not prepare("get", "/v3/vendors/009").is_write
