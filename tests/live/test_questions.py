"""What BILL's pages leave open or contradict each other in, asked of BILL's own sandbox: `make live`.

Each test is one question. If it fails, it says which assumption of this project was wrong and where that stands.
"""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from airflow_provider_bill.client.codes import CODES
from airflow_provider_bill.client.session import BillSession
from tests.live.asking import Asker, assume, read_reply
from tests.live.conftest import Sessions

pytestmark = pytest.mark.live

NOBODY = "no-such-session"
PAGE = "docs/bill-sandbox-coverage.md"
V3_CLIENT, V2_CLIENT = "airflow_provider_bill/client/v3.py", "airflow_provider_bill/client/v2.py"
LOGIN, ANSWERS = "airflow_provider_bill/client/auth/login.py", "airflow_provider_bill/client/answers.py"
CODES_FILE, PAGING = "airflow_provider_bill/client/codes.py", "airflow_provider_bill/client/paging.py"
LOCAL = "airflow_provider_bill/sandbox"
MFA_WORDS = {"DISABLED", "SETUP", "CHALLENGE", "COMPLETE", "UNDEFINED"}


@pytest.fixture(scope="session")
def details(ask: Asker, v3: BillSession) -> dict[str, Any]:
    """What v3 says of the session that v3 has opened."""
    reply = ask.v3(v3.session_token, "/v3/login/session")
    assume(
        reply.status == 200 and isinstance(reply.body, dict),
        "GET /v3/login/session answers with an object",
        f"session_details in {V3_CLIENT}, {LOCAL}/v3/sign_in.py",
        reply.told,
    )
    return dict(reply.body)


@pytest.fixture(scope="session")
def vendors(ask: Asker, v3: BillSession) -> list[dict[str, Any]]:
    """A full page of vendors, if there are as many."""
    return _some(ask.v3(v3.session_token, "/v3/vendors", max=100).rows, "vendors")


def _some(rows: list[Any], what: str) -> list[Any]:
    if not rows:
        pytest.skip(f"the organization has no {what}: create one in BILL's sandbox")
    return rows


# -- sessions and MFA ---------------------------------------------------------------------------------------


def test_a_sign_in_with_a_password_alone_is_not_trusted(v3: BillSession) -> None:
    assume(not v3.trusted, "a password-only sign-in answers trusted: false", f"{LOGIN}, {LOCAL}/v3/sign_in.py", "true")


def test_the_sandbox_has_mfa_switched_on(details: dict[str, Any]) -> None:
    seen = (details.get("mfaStatus"), details.get("mfaBypass"))
    assume(
        seen[0] != "DISABLED" and seen[1] is not True,
        "BILL's sandbox enforces MFA, though its reference speaks of production",
        f"mfa_mode in {LOCAL}/state/settings.py, needs_trust in airflow_provider_bill/client/protected.py",
        f"mfaStatus {seen[0]}, mfaBypass {seen[1]}",
    )


def test_how_a_session_stands_to_mfa_is_said_in_known_words(v3: BillSession, details: dict[str, Any]) -> None:
    status, where = details.get("mfaStatus"), f"_MFA_STATES in {V3_CLIENT}, {LOCAL}/state/mfa.py"
    assume(status in MFA_WORDS, f"mfaStatus is one of {sorted(MFA_WORDS)}", where, status)
    assume(isinstance(details.get("mfaBypass"), bool), "mfaBypass is a JSON boolean", where, details.get("mfaBypass"))
    assume((status == "COMPLETE") == v3.trusted, "mfaStatus COMPLETE is what trusted: true says", where, status)


def test_session_details_name_the_organization_and_user_of_the_sign_in(
    v3: BillSession, details: dict[str, Any]
) -> None:
    same = (details.get("organizationId"), details.get("userId")) == (v3.organization_id, v3.user_id)
    assume(same, "the details name whom the sign-in named", f"session_details in {V3_CLIENT}", sorted(details))


def test_ids_begin_with_what_tells_their_kind(v3: BillSession, vendors: list[dict[str, Any]]) -> None:
    seen = [v3.organization_id[:3], v3.user_id[:3], str(vendors[0].get("id"))[:3]]
    assume(
        seen == ["008", "006", "009"],
        "ids of organizations, users and vendors begin with 008, 006 and 009",
        f"airflow_provider_bill/client/auth/base.py (its message), {LOCAL}/data/catalog.py",
        seen,
    )


def test_an_unknown_remembered_device_steps_up_to_a_plain_no(ask: Asker, v3: BillSession) -> None:
    body = {"rememberMeId": "x" * 60, "device": "airflow-provider-bill live test"}
    reply = ask.post(v3.session_token, "/v3/mfa/step-up", body)
    assume(
        reply.status == 200 and isinstance(reply.body, dict) and reply.body.get("trusted") is False,
        "POST /v3/mfa/step-up answers an unknown rememberMeId with 200 and trusted: false",
        f"step_up in {V3_CLIENT}, {LOCAL}/v3/mfa.py",
        reply.told,
    )


def test_registered_phones_are_listed_by_type_last_digits_and_primary(ask: Asker, v3: BillSession) -> None:
    reply = ask.v3(v3.session_token, "/v3/mfa/phones")
    rows = _some(reply.rows, "phone for MFA") if reply.status == 200 else []
    seen = sorted(rows[0]) if rows and isinstance(rows[0], dict) else reply.told
    assume(
        {"type", "last4digits", "primary"} <= set(seen),
        "GET /v3/mfa/phones answers results with type, last4digits and primary",
        f"phones in airflow_provider_bill/client/mfa.py, {LOCAL}/v3/mfa.py",
        seen,
    )


def test_organizations_are_listed_under_results_by_id_and_name(ask: Asker, v3: BillSession) -> None:
    reply = ask.v3(v3.session_token, "/v3/login/organizations")
    where = f"organizations in {V3_CLIENT}, {LOCAL}/v3/organizations.py"
    rows = [row for row in reply.rows if isinstance(row, dict)]
    assume(rows, "GET /v3/login/organizations answers with results", where, reply.told)
    own = [row for row in rows if v3.organization_id in (row.get("id"), row.get("organizationId"))]
    assume(own, "one of the results has the session's organization as its id", where, sorted(rows[0]))
    assume("name" in own[0], "each of the results has a name", where, sorted(own[0]))


def test_an_unknown_session_is_refused_as_over_and_not_as_untrusted(ask: Asker) -> None:
    reply = ask.v3(NOBODY, "/v3/vendors", max=1)
    assume(
        (reply.status, reply.codes) == (401, ["BDC_1109"]),
        "v3 refuses an unknown session with HTTP 401 and BDC_1109, and BDC_1361 is about MFA alone",
        f"BDC_1109 in {CODES_FILE}, {LOCAL}/v3/authentication.py",
        reply.told,
    )


# -- v3: lists and errors -----------------------------------------------------------------------------------


def test_a_list_without_max_has_twenty_rows(ask: Asker, v3: BillSession) -> None:
    reply = ask.v3(v3.session_token, "/v3/vendors")
    if isinstance(reply.body, dict) and not reply.body.get("nextPage"):
        pytest.skip("the organization has too few vendors for a second page: create 21, or more than 100")
    assume(len(reply.rows) == 20, "a page has 20 rows by default", f"{PAGING}, {LOCAL}/v3/paging.py", len(reply.rows))


def test_max_may_be_a_hundred_and_no_more(ask: Asker, v3: BillSession, vendors: list[dict[str, Any]]) -> None:
    reply, where = ask.v3(v3.session_token, "/v3/vendors", max=101), f"{PAGING}, {LOCAL}/v3/paging.py"
    assume(len(vendors) <= 100, "max=100 gives 100 rows at most", where, len(vendors))
    assume(reply.status == 400, "max=101 is refused with HTTP 400", where, reply.told)


def test_a_cursor_is_text_or_missing_on_the_last_page(
    ask: Asker, v3: BillSession, vendors: list[dict[str, Any]]
) -> None:
    cursor = ask.v3(v3.session_token, "/v3/vendors", max=100).body.get("nextPage")
    last = len(vendors) < 100
    assume(
        not cursor if last else isinstance(cursor, str) and cursor,
        "nextPage is a text as long as rows are left, and absent, null or empty afterwards",
        f"{PAGING}, {LOCAL}/v3/paging.py",
        f"{type(cursor).__name__} after {len(vendors)} rows",
    )


def test_times_of_v3_carry_milliseconds_and_an_offset(vendors: list[dict[str, Any]]) -> None:
    seen = str(vendors[0].get("createdTime"))
    form = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00"
    assume(re.fullmatch(form, seen), "v3 times read 2026-01-15T10:30:00.000+00:00", f"{LOCAL}/data/moments.py", seen)


def test_vendors_can_be_filtered_and_sorted_by_the_time_they_were_made(ask: Asker, v3: BillSession) -> None:
    reply = ask.v3(
        v3.session_token,
        "/v3/vendors",
        max=5,
        filters='createdTime:gte:"2000-01-01T00:00:00.000Z"',
        sort="createdTime:asc",
    )
    where = f"{LOCAL}/operations/filters.py, docs/calls.md"
    assume(reply.status == 200, "a time in quotes is taken in filters, and createdTime in sort", where, reply.told)
    times = [str(row.get("createdTime")) for row in _some(reply.rows, "vendors")]
    assume(times == sorted(times), "sort=createdTime:asc puts the oldest first", where, times)


def test_a_filter_that_does_not_exist_is_refused(ask: Asker, v3: BillSession) -> None:
    reply = ask.v3(v3.session_token, "/v3/vendors", max=1, filters="noSuchField:eq:1")
    assume(
        (reply.status, reply.codes[:1]) == (400, ["BDC_1130"]),
        "a filter by an unknown field is refused with HTTP 400 and BDC_1130",
        f"BDC_1130 in {CODES_FILE}, {LOCAL}/operations/filters.py",
        reply.told,
    )


def test_an_unknown_id_is_not_found(ask: Asker, v3: BillSession) -> None:
    reply = ask.v3(v3.session_token, "/v3/customers/0cu00000000000000000")
    assume(
        (reply.status, reply.codes) == (404, ["BDC_1205"]),
        "an unknown id of a customer is answered with HTTP 404 and BDC_1205",
        f"BDC_1205 in {CODES_FILE}, {LOCAL}/errors.py",
        reply.told,
    )


@pytest.mark.parametrize("path", ["/v3/unheard-of", "/v3/Vendors"])
def test_a_path_that_is_wrong_also_by_capitals_alone_is_not_supported(ask: Asker, v3: BillSession, path: str) -> None:
    reply = ask.v3(v3.session_token, path)
    assume(
        (reply.status, reply.codes) == (404, ["BDC_1121"]),
        f"{path} is answered with HTTP 404 and BDC_1121",
        f"BDC_1121 in {CODES_FILE}, {LOCAL}/v3/dialect.py",
        reply.told,
    )


def test_an_error_is_an_array_of_objects_with_code_and_message(ask: Asker, v3: BillSession) -> None:
    reply = ask.v3(v3.session_token, "/v3/unheard-of")
    row = reply.body[0] if isinstance(reply.body, list) and reply.body else {}
    names = {"timestamp", "code", "severity", "category", "message"}
    where = f"{ANSWERS}, {LOCAL}/v3/errors.py"
    assume(names <= set(row), f"an error of v3 is an array of objects with {sorted(names)}", where, reply.told)


def test_pending_approvals_are_listed_under_bills_and_policies_in_a_bare_array(ask: Asker, v3: BillSession) -> None:
    pending = ask.v3(v3.session_token, "/v3/bill-approvals/pending-user-approvals")
    policies = ask.v3(v3.session_token, "/v3/bill-approvals/policies")
    where = f"rows in airflow_provider_bill/client/operations.json, {LOCAL}/v3/approvals.py"
    if 403 in (pending.status, policies.status):
        pytest.skip("the user may not read approvals: sign in as an administrator")
    assume(
        isinstance(pending.body, dict) and isinstance(pending.body.get("bills"), list),
        "pending approvals are listed under bills",
        where,
        pending.told,
    )
    assume(isinstance(policies.body, list), "approval policies come as a bare array", where, policies.told)


def test_webhooks_are_reached_below_another_base(ask: Asker, v3: BillSession) -> None:
    reply = ask.v3(v3.session_token, "/v3/events/catalog")
    assume(
        reply.status == 200 and reply.rows,
        "GET /connect-events/v3/events/catalog answers a session with the events that there are",
        f"EVENT_PATHS in airflow_provider_bill/client/operations.py, {LOCAL}/events/catalog.py",
        reply.told,
    )


def test_bills_say_how_they_stand_in_the_words_that_are_known(ask: Asker, v3: BillSession) -> None:
    rows = _some(ask.v3(v3.session_token, "/v3/bills", max=100).rows, "bills")
    names = {"id", "vendorId", "dueDate", "amount", "dueAmount", "paymentStatus", "approvalStatus"}
    missing = sorted({name for row in rows for name in names - set(row)})
    assume(not missing, f"each bill has {sorted(names)}", f"{LOCAL}/data/seed_rows.py, docs/writes.md", f"no {missing}")


def test_of_four_calls_at_once_the_fourth_is_refused_as_one_too_many(ask: Asker, v3: BillSession) -> None:
    request = ask.v3_request("/v3/vendors", {"max": 1})
    with ThreadPoolExecutor(4) as pool:
        replies = [read_reply(one) for one in pool.map(lambda _: ask.send(request, v3.session_token), range(4))]
    refused = [reply for reply in replies if reply.status != 200]
    if not refused:
        pytest.skip("the four calls did not meet at BILL, so nothing was learnt of its limit: try again")
    assume(
        all(reply.codes == ["BDC_1322"] and reply.status in (422, 429, 400) for reply in refused),
        "more than three calls at once are refused with BDC_1322, and HTTP 422, 429 or 400",
        f"BDC_1322 in {CODES_FILE}, limit_status in {LOCAL}/state/settings.py, docs/limits.md",
        [reply.told for reply in refused],
    )


# -- known differences of the local BILL --------------------------------------------------------------------


def test_the_balance_of_vendors_is_zero_as_the_local_bill_has_it(vendors: list[dict[str, Any]]) -> None:
    seen = [row["id"] for row in vendors if (row.get("balance") or {}).get("amount")]
    assume(
        not seen,
        "the balance of vendors stays zero; now it can be learnt what BILL counts in it",
        f"{LOCAL}/operations/balances.py, {PAGE}",
        f"vendors {seen[:3]}",
    )


def test_the_balance_of_customers_is_zero_as_the_local_bill_has_it(ask: Asker, v3: BillSession) -> None:
    rows = _some(ask.v3(v3.session_token, "/v3/customers", max=100).rows, "customers")
    seen = [row["id"] for row in rows if (row.get("balance") or {}).get("amount")]
    assume(
        not seen,
        "the balance of customers stays zero; now it can be learnt what BILL counts in it",
        f"{LOCAL}/operations/balances.py, {PAGE}",
        f"customers {seen[:3]}",
    )


def test_a_payment_whose_day_is_long_past_is_no_longer_scheduled(ask: Asker, v3: BillSession) -> None:
    rows = _some(ask.v3(v3.session_token, "/v3/payments", max=100).rows, "payments")
    week_ago = (datetime.now(UTC) - timedelta(days=7)).date().isoformat()
    seen = [row["id"] for row in rows if row.get("processDate", "9") < week_ago and row.get("status") == "SCHEDULED"]
    where = f"{LOCAL}/operations/payment_ends.py, {PAGE}"
    assume(not seen, "a payment is paid when its day is past", where, f"still scheduled: {seen[:3]}")


def test_a_risk_verification_stays_in_progress(ask: Asker, v3: BillSession) -> None:
    reply = ask.v3(v3.session_token, "/v3/risk-verifications")
    if reply.status != 200:
        pytest.skip(f"the organization has none ({reply.told}): begin one in BILL's sandbox")
    seen = reply.body.get("status") if isinstance(reply.body, dict) else reply.told
    where = f"{LOCAL}/v3/risk_verifications.py, {PAGE}"
    assume(seen == "IN_PROGRESS", "a risk verification stays in progress", where, seen)


# -- v2, and the two dialects beside each other -------------------------------------------------------------


def test_a_v2_sign_in_names_user_organization_and_an_address_of_the_sandbox(v3: BillSession, v2: BillSession) -> None:
    assume(v2.user_id == v3.user_id, "the user stands in usersId of a v2 sign-in", f"sign_in in {LOGIN}", "another id")
    assume(v2.organization_id == v3.organization_id, "the organization stands in orgId", f"sign_in in {LOGIN}")
    assume(
        v2.api_endpoint,
        "apiEndPoint is an address on the sandbox's v2 host",
        "_V2_HOSTS in airflow_provider_bill/client/environments.py",
        "one that is not used",
    )


def test_a_v2_session_needs_no_cookie(ask: Asker, v3: BillSession, v2: BillSession) -> None:
    reply = ask.v2(v2.session_token, "/GetSessionInfo.json")
    data = reply.body.get("response_data") if isinstance(reply.body, dict) else None
    assume(
        data == {"organizationId": v3.organization_id, "userId": v3.user_id},
        "v2 takes sessionId as a form field without any cookie, and GetSessionInfo answers organizationId and userId",
        f"session_details in {V2_CLIENT}, v2_cookies in {LOCAL}/state/settings.py",
        reply.told,
    )


def test_a_second_sign_in_leaves_the_first_session_alone(ask: Asker, v3: BillSession, v2: BillSession) -> None:
    reply = ask.v3(v3.session_token, "/v3/login/session", again="after the second sign-in")
    assume(
        reply.status == 200,
        "two sessions of one user live side by side",
        f"docs/sharing.md, {LOCAL}/state/sessions.py",
        reply.told,
    )


def test_v3_takes_the_session_of_a_v2_sign_in(ask: Asker, v2: BillSession) -> None:
    reply = ask.v3(v2.session_token, "/v3/login/session")
    assume(
        reply.status == 200,
        "v3 takes a session that Login.json has opened",
        f"state in airflow_provider_bill/client/mfa.py, {LOCAL}/v3/authentication.py",
        reply.told,
    )


def test_v2_takes_the_session_of_a_v3_sign_in(ask: Asker, v3: BillSession) -> None:
    reply = ask.v2(v3.session_token, "/GetSessionInfo.json")
    assume(
        isinstance(reply.body, dict) and reply.body.get("response_status") == 0,
        "v2 takes a session that POST /v3/login has opened",
        f"form in airflow_provider_bill/client/auth/base.py, {LOCAL}/v2/authentication.py",
        reply.told,
    )


def test_v2_refuses_an_unknown_session_with_http_200(ask: Asker) -> None:
    reply = ask.v2(NOBODY, "/GetSessionInfo.json")
    assume(
        (reply.status, reply.codes) == (200, ["BDC_1109"]),
        "v2 refuses with HTTP 200 and says so in response_status, an unknown session with BDC_1109",
        f"read_v2 in {ANSWERS}, {LOCAL}/v2/envelope.py",
        reply.told,
    )


def test_rows_of_v2_name_their_entity_and_spell_times_and_booleans_their_own_way(ask: Asker, v2: BillSession) -> None:
    rows = _some(ask.v2(v2.session_token, "/List/Vendor.json", {"start": 0, "max": 2}).rows, "vendors")
    seen = [rows[0].get("entity"), rows[0].get("isActive"), str(rows[0].get("createdTime"))[-9:]]
    assume(
        seen[0] == "Vendor" and seen[1] in ("1", "2") and re.fullmatch(r"\.\d{3}\+0000", seen[2][-9:]),
        'a v2 row has entity, isActive "1" or "2", and times that end in .000+0000',
        f"{LOCAL}/v2/entities.py, {LOCAL}/data/moments.py",
        seen,
    )


def test_v2_says_of_an_unknown_remembered_device_that_it_is_not_trusted(ask: Asker, v2: BillSession) -> None:
    data = {"mfaId": "!" + "x" * 40, "deviceId": "airflow-provider-bill live test"}
    reply = ask.v2(v2.session_token, "/MFAStatus.json", data)
    answer = reply.body.get("response_data") if isinstance(reply.body, dict) else None
    assume(
        isinstance(answer, dict) and answer.get("isTrusted") in (False, "false", "0"),
        "MFAStatus answers isTrusted false for an unknown mfaId",
        f"is_trusted in {V2_CLIENT}, {LOCAL}/v2/mfa.py",
        reply.told,
    )


def test_bills_list_of_error_codes_needs_no_credentials_and_has_ours(ask: Asker) -> None:
    reply = ask.v2("", "/Errors.json")
    listed = {str(row.get("error_code")) for row in reply.rows if isinstance(row, dict)}
    where = f"{CODES_FILE}, docs/errors.md, {LOCAL}/codes.py"
    assume(listed, "Errors.json lists error_code and error_message without credentials", where, reply.told)
    unknown = sorted(code for code in CODES if code.startswith("BDC_") and code not in listed)
    assume(not unknown, f"each code that the client knows is one of the {len(listed)} that BILL lists", where, unknown)


# -- last, as they end the sessions -------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["v2", "v3"])
def test_a_sign_out_ends_the_session_at_once_and_a_second_one_finds_it_over(
    sessions: Sessions, v3: BillSession, v2: BillSession, kind: str
) -> None:
    client, session = sessions.clients[kind], sessions.open.pop(kind)
    where = f"sign_out in airflow_provider_bill/client/client.py, {LOCAL}/{kind}/sign_in.py"
    assume(client.sign_out(session), "BILL ends a live session, with whatever body", where, "that it was over already")
    again = client.sign_out(session)
    assume(not again, "a session that is over is refused with BDC_1109 at a sign-out", where, "an answer")
