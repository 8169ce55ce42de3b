"""Receipts of transactions and reimbursements: a URL to upload an image to, and what is then attached.

BILL hands out signed addresses of a file store; here they are on the local BILL itself, as unguessable.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from airflow_provider_bill.sandbox.data.catalog import Row
from airflow_provider_bill.sandbox.data.spend_rows import make_receipt
from airflow_provider_bill.sandbox.errors import Refusal
from airflow_provider_bill.sandbox.operations.fields import require_fields
from airflow_provider_bill.sandbox.server.messages import Answer, Call, get_text, reply
from airflow_provider_bill.sandbox.server.routing import Routes
from airflow_provider_bill.sandbox.state.clock import to_iso
from airflow_provider_bill.sandbox.state.spend import Upload
from airflow_provider_bill.sandbox.v3.spend.access import get_live_row, get_organization, note_change, requires_token

routes = Routes("/connect")

_UPLOADS = "/connect/v3/spend/uploads/"
_MEDIA = ("image/jpeg", "image/png")
_UPLOAD_URLS = {"reimbursements": "image-upload-url", "transactions": "receipt-upload-url"}


def _serve(path: str) -> None:
    @routes.route("POST", f"/v3/spend/{path}/{_UPLOAD_URLS[path]}")
    @requires_token
    def open_upload(call: Call) -> Answer:
        """Hand out the URL that takes an image."""
        token = call.state.spend.open_upload(get_organization(call), path)
        return reply(call, {"url": f"http://{call.headers.get('host', 'localhost')}{_UPLOADS}{token}"})

    @routes.route("POST", f"/v3/spend/{path}/{{}}/receipts")
    @requires_token
    def add_receipt(call: Call, name: str) -> Answer:
        """Attach an image that was uploaded."""
        row = get_live_row(call, path, name)
        receipt = make_receipts(call, path, [call.json_object()])[0]
        _set_receipts(call, path, row, [*row["receipts"], receipt])
        row["receiptAddedTime"] = to_iso(call.now)
        return reply(call, receipt)

    @routes.route("DELETE", f"/v3/spend/{path}/{{}}/receipts/{{}}")
    @requires_token
    def delete_receipt(call: Call, name: str, receipt_id: str) -> Answer:
        """Take a receipt away."""
        row = get_live_row(call, path, name)
        left = [receipt for receipt in row["receipts"] if receipt["uuid"] != receipt_id]
        if len(left) == len(row["receipts"]):
            raise Refusal("BDC_1205")
        _set_receipts(call, path, row, left)
        return reply(call, None)


def _set_receipts(call: Call, path: str, row: Row, receipts: list[Row]) -> None:
    row["receipts"] = receipts
    if path == "transactions":
        missing = "MISSING" if row["receiptRequired"] else "NOT_ATTACHED"
        row |= {"receiptStatus": "ATTACHED" if receipts else missing, "updatedTime": to_iso(call.now)}
        row["complete"] = bool(receipts) or not row["receiptRequired"]
    note_change(call, path, "updated", row)


def make_receipts(call: Call, path: str, bodies: list[Row]) -> list[Row]:
    """Return the receipts that bodies name by the URL of an image that was uploaded, or refuse all."""
    made = []
    for body in bodies:
        require_fields(body, "url")
        url = get_text(body, "url")
        token = urlsplit(url).path.removeprefix(_UPLOADS)
        upload = call.state.spend.uploads.get(token)
        if (
            upload is None
            or upload.image is None
            or (upload.organization_id, upload.path)
            != (
                call.organization_id,
                path,
            )
        ):
            raise Refusal("BDC_1129", "url", f"no image was uploaded there for {path}", status=400)
        call.state.spend.last_number += 1
        filename = get_text(body, "filename") or f"receipt.{upload.media.removeprefix('image/')}"
        made.append(make_receipt(get_organization(call), call.state.spend.last_number, url, filename))
    return made


def _find_upload(call: Call, token: str) -> Upload:
    upload = call.state.spend.uploads.get(token)
    if upload is None:
        raise Refusal("BDC_1205")
    return upload


@routes.route("PUT", "/v3/spend/uploads/{}")
def upload_image(call: Call, token: str) -> Answer:
    """Take an image; the URL itself is the proof of who uploads."""
    upload, media = _find_upload(call, token), call.headers.get("content-type", "")
    if media not in _MEDIA:
        raise Refusal("BDC_1129", "Content-Type", f"{media[:40]} (must be {' or '.join(_MEDIA)})")
    if not call.body:
        raise Refusal("BDC_1108", "body")
    upload.media, upload.image = media, call.body
    return Answer(200)


@routes.route("GET", "/v3/spend/uploads/{}")
def download_image(call: Call, token: str) -> Answer:
    """Answer an image, which is where a receipt's URL leads."""
    upload = _find_upload(call, token)
    if upload.image is None:
        raise Refusal("BDC_1205")
    return Answer(200, upload.image, media=upload.media)


for _path in _UPLOAD_URLS:
    _serve(_path)
