"""v2's protected calls: PayBills, SendVendorInvite and SendInvite."""

from __future__ import annotations

from airflow_provider_bill.sandbox.data.catalog import Row
from airflow_provider_bill.sandbox.errors import Refusal
from airflow_provider_bill.sandbox.operations.access import require_trust
from airflow_provider_bill.sandbox.operations.fields import is_list_of_objects
from airflow_provider_bill.sandbox.operations.payables import check_payment, make_payment
from airflow_provider_bill.sandbox.operations.rows import get_row, update_row
from airflow_provider_bill.sandbox.server.messages import Answer, Call, get_text
from airflow_provider_bill.sandbox.server.routing import Routes
from airflow_provider_bill.sandbox.v2.authentication import requires_session
from airflow_provider_bill.sandbox.v2.entities import to_v2
from airflow_provider_bill.sandbox.v2.envelope import read_data, succeed

routes = Routes("/api/v2")


@routes.route("POST", "/PayBills")
@requires_session
def pay_bills(call: Call) -> Answer:
    """Pay bills of one vendor; all or none."""
    require_trust(call)
    data = read_data(call)
    if not get_text(data, "vendorId"):
        raise Refusal("BDC_1108", "vendorId")
    wanted = data.get("billPays")
    if not is_list_of_objects(wanted):
        raise Refusal("BDC_1108", "billPays")
    shared: Row = {"vendorId": data["vendorId"], "processDate": data.get("processDate")}
    if data.get("bankAccountId"):
        shared["fundingAccount"] = {"type": "BANK_ACCOUNT", "id": data["bankAccountId"]}
    checked = [
        check_payment(call, {**shared, "billId": one.get("billId"), "amount": one.get("amount")}) for one in wanted
    ]
    made = [make_payment(call, fields, "v2") for fields in checked]
    first = to_v2("SentPay", made[0])
    first["billPays"] = [
        {"entity": "BillPay", "id": row["id"], "billId": row.get("billId"), "amount": row["amount"]} for row in made
    ]
    return succeed(first)


@routes.route("POST", "/SendVendorInvite")
@requires_session
def invite_vendor(call: Call) -> Answer:
    """Invite a vendor."""
    require_trust(call)
    vendor = get_row(call, "vendors", get_text(read_data(call), "vendorId"))
    update_row(call, vendor, {"networkStatus": "PENDING"})
    return succeed({})


@routes.route("POST", "/SendInvite")
@requires_session
def invite_customer(call: Call) -> Answer:
    """Invite a customer."""
    require_trust(call)
    get_row(call, "customers", get_text(read_data(call), "customerId"))
    call.state.stats.writes += 1
    return succeed({})
