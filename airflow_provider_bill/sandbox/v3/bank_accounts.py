"""The organization's bank accounts, from which it pays."""

from __future__ import annotations

from airflow_provider_bill.sandbox.operations.access import require_trust
from airflow_provider_bill.sandbox.operations.fields import require_fields
from airflow_provider_bill.sandbox.operations.rows import create_row, get_row, mask_account_number, update_row
from airflow_provider_bill.sandbox.server.messages import Answer, Call, answer_json
from airflow_provider_bill.sandbox.server.routing import Routes
from airflow_provider_bill.sandbox.v3.authentication import require_full_access, requires_session

routes = Routes("/connect/v3/funding-accounts/banks")


@routes.route("POST", "")
@requires_session
def create_bank_account(call: Call) -> Answer:
    """Create a bank account."""
    require_full_access(call, "Bank accounts")
    require_trust(call)
    body = call.json_object()
    require_fields(body, "nameOnAccount", "accountNumber", "routingNumber")
    defaults = {"bankName": "Sandbox Bank", "type": "CHECKING", "ownerType": "BUSINESS"}
    row = create_row(call, "funding-accounts/banks", {**defaults, **body, "status": "PENDING"})
    return answer_json(mask_account_number(row), 201)


@routes.route("PATCH", "/{}")
@requires_session
def update_bank_account(call: Call, row_id: str) -> Answer:
    """Change a bank account."""
    require_full_access(call, "Bank accounts")
    require_trust(call, production_only=True)
    row, body = get_row(call, "funding-accounts/banks", row_id), call.json_object()
    update_row(call, row, {name: value for name, value in body.items() if name != "archived"})
    return answer_json(mask_account_number(row))
