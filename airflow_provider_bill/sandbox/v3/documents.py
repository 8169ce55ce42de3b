"""Documents of bills and attachments of customers, invoices and vendors; and the downloads that their links lead to."""

from __future__ import annotations

import mimetypes

from airflow_provider_bill.sandbox.data.catalog import Row
from airflow_provider_bill.sandbox.errors import Refusal
from airflow_provider_bill.sandbox.operations.access import get_organization
from airflow_provider_bill.sandbox.operations.rows import get_row
from airflow_provider_bill.sandbox.server.messages import Answer, Call, answer_json
from airflow_provider_bill.sandbox.server.routing import Routes
from airflow_provider_bill.sandbox.state.clock import to_iso
from airflow_provider_bill.sandbox.state.documents import PROCESSING_SECONDS, Document
from airflow_provider_bill.sandbox.v3.authentication import requires_session
from airflow_provider_bill.sandbox.v3.paging import make_page

routes = Routes("/connect")

#: Bytes of a file at most.
MAX_BYTES = 6 * 2**20
#: Beginning of the paths of downloads.
DOWNLOADS = "/download/"


def make_link(call: Call, name: str, content: bytes, document: Document | None = None) -> str:
    """Return a new link to a file, on the local BILL itself.

    :param name: of the file
    :param document: that it leads to, if it is one
    """
    token = call.state.documents.open_link(name, content, call.now, document)
    return f"http://{call.headers.get('host', 'localhost')}/connect{DOWNLOADS}{token}"


def _show(call: Call, document: Document, *, uploaded: bool = False) -> Row:
    return {
        "id": document.upload_id if uploaded else document.id,
        "name": document.name,
        "createdTime": to_iso(document.created),
        "downloadLink": make_link(call, document.name, document.content, document),
    }


def _get(call: Call, document_id: str, *, of_bill: bool) -> Document:
    document = call.state.documents.find(get_organization(call).id, document_id)
    if document is None or (document.owner[0] == "bills") is not of_bill:
        raise Refusal("BDC_1205", message="There is no such document.", status=404)
    return document


def _serve(family: str, collection: str) -> None:
    path = f"/v3/{family}/{collection}/{{}}"

    @routes.route("GET", path)
    @requires_session
    def list_documents(call: Call, row_id: str) -> Answer:
        """List the documents of a row."""
        get_row(call, collection, row_id)
        found = [row for row in call.state.documents.documents if row.owner == (collection, row_id)]
        query = {name: value for name, value in call.query.items() if name in ("max", "page")}
        page = make_page([{"document": row} for row in found], f"{family}/{row_id}", query)
        page["results"] = [_show(call, row["document"]) for row in page["results"]]
        return answer_json(page)

    @routes.route("POST", path)
    @requires_session
    def upload(call: Call, row_id: str) -> Answer:
        """Keep a file; its name is in the query, and the body is the file as it is."""
        get_row(call, collection, row_id)
        name, content = call.query.get("name", "").strip(), call.body
        if not name:
            raise Refusal("BDC_1108", "name")
        if not content:
            raise Refusal("BDC_1108", "file")
        if len(content) > MAX_BYTES:
            raise Refusal("BDC_1129", "file", f"{len(content)} bytes (must be 6 MB or less)")
        call.state.stats.writes += 1
        organization = get_organization(call)
        document = call.state.documents.add(
            (organization.number, organization.id), (collection, row_id), name, content, call.now
        )
        return answer_json(_show(call, document, uploaded=True))


_serve("documents", "bills")
for _collection in ("customers", "invoices", "vendors"):
    _serve("attachments", _collection)


@routes.route("GET", "/v3/documents/upload-status")
@requires_session
def list_upload_statuses(call: Call) -> Answer:
    """Return how far uploads are; ids that do not exist are left out."""
    ids = [one for one in call.query.get("ids", "").split(",") if one]
    if not ids:
        raise Refusal("BDC_1108", "ids")
    found = (call.state.documents.find(get_organization(call).id, one) for one in ids)
    return answer_json(
        [
            {
                "documentId": row.id,
                "uploadId": row.upload_id,
                "status": "UPLOADED" if call.now >= row.created + PROCESSING_SECONDS else "IVA_PROCESSING",
            }
            for row in found
            if row is not None and row.owner[0] == "bills"
        ]
    )


@routes.route("GET", "/v3/documents/{}")
@requires_session
def read_document(call: Call, document_id: str) -> Answer:
    """Read a document of a bill."""
    return answer_json(_show(call, _get(call, document_id, of_bill=True)))


@routes.route("GET", "/v3/attachments/{}")
@requires_session
def read_attachment(call: Call, document_id: str) -> Answer:
    """Read an attachment."""
    return answer_json(_show(call, _get(call, document_id, of_bill=False)))


@routes.route("DELETE", "/v3/attachments/{}")
@requires_session
def delete_attachment(call: Call, document_id: str) -> Answer:
    """Delete an attachment; links to it are closed."""
    call.state.documents.remove(_get(call, document_id, of_bill=False))
    call.state.stats.writes += 1
    return answer_json({"status": "SUCCESS"})


@routes.route("GET", f"{DOWNLOADS}{{}}")
def download(call: Call, token: str) -> Answer:
    """Answer with a file; the link alone opens it, until it is over."""
    link = call.state.documents.follow(token, call.now)
    if link is None:
        raise Refusal("BDC_1120")
    media = mimetypes.guess_type(link.name)[0] or "application/octet-stream"
    return Answer(200, link.content, media=media, headers=(("content-disposition", "attachment"),))
