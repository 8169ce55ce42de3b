"""Documents, attachments and exports of the local BILL: answers as in BILL's contract, links that end."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import jsonschema
import pytest
import requests

from dev.local_bill import LocalBill
from dev.paths import ROOT

CodeOf = Callable[[requests.Response], str]

CONTRACT = json.loads((ROOT / "airflow_provider_bill" / "sandbox" / "data" / "contract.json").read_text())
ANSWERS = {(row["method"], row["path"]): row["answer"] for row in CONTRACT["operations"]}
OWNERS = [
    ("documents", "bills", "billId"),
    ("attachments", "customers", "customerId"),
    ("attachments", "invoices", "invoiceId"),
    ("attachments", "vendors", "vendorId"),
]
SIX_MB = 6 * 2**20


def exact(schema: Any) -> Any:
    """Return a schema in which every field must be there and no other may be."""
    if isinstance(schema, dict):
        made = {key: exact(value) for key, value in schema.items()}
        if isinstance(properties := schema.get("properties"), dict):
            made |= {"additionalProperties": False, "required": [key for key in properties if "Page" not in key]}
        return made
    return [exact(one) for one in schema] if isinstance(schema, list) else schema


def fits(answer: requests.Response, method: str, path: str) -> Any:
    """Return the body of an answer, which has just the keys and types of the contract."""
    assert answer.status_code == 200, answer.text
    jsonschema.validate(answer.json(), {**exact(ANSWERS[method, path]), "schemas": exact(CONTRACT["schemas"])})
    return answer.json()


@pytest.fixture
def headers(bill: LocalBill) -> dict[str, str]:
    return bill.sign_in()


def first(bill: LocalBill, headers: dict[str, str], collection: str) -> str:
    return str(bill.get(f"/{collection}?max=1", headers).json()["results"][0]["id"])


def upload(
    bill: LocalBill, headers: dict[str, str], path: str, content: bytes = b"%PDF", **query: str
) -> requests.Response:
    return bill.call("POST", path, headers, params={"name": "scan.pdf", **query}, data=content)


@pytest.mark.parametrize(("family", "collection", "name"), OWNERS)
def test_a_file_is_uploaded_listed_read_and_downloaded(
    family: str, collection: str, name: str, bill: LocalBill, headers: dict[str, str]
) -> None:
    row_id = first(bill, headers, collection)
    path, contract = f"/{family}/{collection}/{row_id}", f"/v3/{family}/{collection}/{{{name}}}"
    before = bill.stats()["writes"]
    made = fits(upload(bill, headers, path, b"%PDF-1.7 all of it"), "POST", contract)
    assert bill.stats()["writes"] == before + 1
    (listed,) = fits(bill.get(path, headers), "GET", contract)["results"]
    one = "documentId" if family == "documents" else "attachmentId"
    read = fits(bill.get(f"/{family}/{listed['id']}", headers), "GET", f"/v3/{family}/{{{one}}}")
    assert {row["name"] for row in (made, listed, read)} == {"scan.pdf"}
    assert made["id"][:3] == ("0du" if family == "documents" else "att")
    assert listed["id"][:3] == ("00h" if family == "documents" else "att")
    for row in (made, listed, read):
        answer = requests.get(row["downloadLink"], timeout=5)
        assert (answer.content, answer.headers["content-type"]) == (b"%PDF-1.7 all of it", "application/pdf")


def test_documents_come_in_pages(bill: LocalBill, headers: dict[str, str]) -> None:
    path = f"/documents/bills/{first(bill, headers, 'bills')}"
    for number in range(5):
        upload(bill, headers, path, name=f"{number}.pdf")
    pages = [bill.get(path, headers, params={"max": 2}).json()]
    while cursor := pages[-1].get("nextPage"):
        pages.append(bill.get(path, headers, params={"max": 2, "page": cursor}).json())
    names = [[row["name"] for row in page["results"]] for page in pages]
    assert names == [["0.pdf", "1.pdf"], ["2.pdf", "3.pdf"], ["4.pdf"]]


def test_an_upload_is_in_the_works_for_some_seconds(bill: LocalBill, headers: dict[str, str]) -> None:
    path = f"/documents/bills/{first(bill, headers, 'bills')}"
    made = [upload(bill, headers, path).json()["id"] for _ in range(2)]
    attachment = upload(bill, headers, f"/attachments/vendors/{first(bill, headers, 'vendors')}").json()["id"]

    def statuses() -> list[str]:
        answer = bill.get(
            "/documents/upload-status", headers, params={"ids": ",".join([*made, attachment, "0duUnknown"])}
        )
        rows = fits(answer, "GET", "/v3/documents/upload-status")
        assert [row["uploadId"] for row in rows] == made
        assert all(row["documentId"].startswith("00h") for row in rows)
        return [row["status"] for row in rows]

    assert statuses() == ["IVA_PROCESSING"] * 2
    bill.advance(5)
    assert statuses() == ["UPLOADED"] * 2


def test_an_attachment_can_be_deleted_and_a_document_cannot(
    bill: LocalBill, headers: dict[str, str], code_of: CodeOf
) -> None:
    vendor, owner = first(bill, headers, "vendors"), first(bill, headers, "bills")
    attachment = upload(bill, headers, f"/attachments/vendors/{vendor}").json()
    document = upload(bill, headers, f"/documents/bills/{owner}").json()
    answer = bill.call("DELETE", f"/attachments/{attachment['id']}", headers)
    fits(answer, "DELETE", "/v3/attachments/{attachmentId}")
    assert bill.get(f"/attachments/vendors/{vendor}", headers).json()["results"] == []
    assert requests.get(attachment["downloadLink"], timeout=5).status_code == 404
    again = bill.call("DELETE", f"/attachments/{attachment['id']}", headers)
    assert (again.status_code, code_of(again)) == (404, "BDC_1205")
    for family, row in (("attachments", document), ("documents", attachment)):
        assert bill.get(f"/{family}/{row['id']}", headers).status_code == 404
    assert bill.get(f"/documents/{document['id']}", headers).status_code == 200


def test_a_link_is_unguessable_ends_after_a_quarter_of_an_hour_and_stands_in_no_journal(
    bill: LocalBill, headers: dict[str, str]
) -> None:
    path = f"/documents/bills/{first(bill, headers, 'bills')}"
    link = upload(bill, headers, path).json()["downloadLink"]
    other = bill.get(path, headers).json()["results"][0]["downloadLink"]
    token = link.rpartition("/")[2]
    assert len(token) >= 32
    assert link != other
    bill.advance(899)
    assert requests.get(link, timeout=5).status_code == 200
    assert token not in json.dumps([bill.control("GET", "requests"), bill.stats()])
    bill.advance(1)
    assert requests.get(link, timeout=5).status_code == 404
    assert requests.get(f"{link[:-1]}x", timeout=5).status_code == 404


@pytest.mark.parametrize(
    ("query", "content", "status", "code"),
    [
        ({"name": ""}, b"%PDF", 400, "BDC_1108"),
        ({"name": " "}, b"%PDF", 400, "BDC_1108"),
        ({}, b"", 400, "BDC_1108"),
        ({}, bytes(SIX_MB + 1), 400, "BDC_1129"),
        ({}, bytes(SIX_MB), 200, ""),
    ],
)
def test_a_file_needs_a_name_and_content_of_up_to_6_mb(
    query: dict[str, str], content: bytes, status: int, code: str, bill: LocalBill, headers: dict[str, str]
) -> None:
    path = f"/documents/bills/{first(bill, headers, 'bills')}"
    answer = upload(bill, headers, path, content, **query)
    assert answer.status_code == status
    assert code in answer.text
    assert len(bill.get(path, headers).json()["results"]) == (status == 200)


def test_another_organization_sees_neither_documents_nor_their_owners(bill: LocalBill, headers: dict[str, str]) -> None:
    owner = first(bill, headers, "bills")
    document = upload(bill, headers, f"/documents/bills/{owner}").json()["id"]
    other = bill.sign_in(organizationId=bill.seed["organizations"][1]["id"])
    for path in (f"/documents/{document}", f"/documents/bills/{owner}"):
        assert bill.get(path, other).status_code == 404
    assert bill.get("/documents/upload-status", other, params={"ids": document}).json() == []


@pytest.mark.parametrize("path", ["/documents/bills/00nUnknown", "/attachments/vendors/009Unknown"])
def test_an_owner_that_does_not_exist_takes_no_file(path: str, bill: LocalBill, headers: dict[str, str]) -> None:
    assert upload(bill, headers, path).status_code == 404
    assert bill.get(path, headers).status_code == 404


@pytest.mark.parametrize(
    "path", ["/documents/x", "/documents/bills/x", "/documents/upload-status", "/attachments/x", "/exports"]
)
def test_all_but_the_links_need_a_session(path: str, bill: LocalBill) -> None:
    assert bill.get(path).status_code == 401


def test_an_export_holds_every_vendor(bill: LocalBill, headers: dict[str, str]) -> None:
    (row,) = fits(bill.get("/exports", headers), "GET", "/v3/exports")["results"]
    contract = "/v3/exports/{exportId}/download-link"
    link = fits(bill.get(f"/exports/{row['exportId']}/download-link", headers), "GET", contract)["downloadLink"]
    answer = requests.get(link, timeout=5)
    lines = answer.text.splitlines()
    assert (lines[0], len(lines)) == ("id,name,email,archived,createdTime,updatedTime", 261)
    assert answer.headers["content-type"].startswith("text/csv")
    other = bill.sign_in(organizationId=bill.seed["organizations"][1]["id"])
    assert bill.get(f"/exports/{row['exportId']}/download-link", other).status_code == 404


def test_a_reset_forgets_all_files_and_links(bill: LocalBill, headers: dict[str, str]) -> None:
    owner = first(bill, headers, "bills")
    link = upload(bill, headers, f"/documents/bills/{owner}").json()["downloadLink"]
    bill.reset()
    assert requests.get(link, timeout=5).status_code == 404
    assert bill.get(f"/documents/bills/{owner}", bill.sign_in()).json()["results"] == []
