"""v2's calls around payments and invitations: PayBills, CancelAPPayment, SendVendorInvite and SendInvite."""

from __future__ import annotations

from airflow_provider_bill.sandbox.data.catalog import Row
from airflow_provider_bill.sandbox.errors import Refusal
from airflow_provider_bill.sandbox.operations.access import require_trust
from airflow_provider_bill.sandbox.operations.fields import is_list_of_objects
from airflow_provider_bill.sandbox.operations.network import invite
from airflow_provider_bill.sandbox.operations.payables import check_payments, get_author, make_payment, put_together
from airflow_provider_bill.sandbox.operations.payment_ends import cancel_payment
from airflow_provider_bill.sandbox.operations.rows import get_row
from airflow_provider_bill.sandbox.server.messages import Answer, Call, get_text
from airflow_provider_bill.sandbox.server.routing import Routes
from airflow_provider_bill.sandbox.v2.authentication import requires_session
from airflow_provider_bill.sandbox.v2.entities import to_v2
from airflow_provider_bill.sandbox.v2.envelope import read_data, succeed

routes = Routes("/api/v2")


@routes.route("POST", "/PayBills")
@requires_session
def pay_bills(call: Call) -> Answer:
    """Pay bills of one vendor with one payment; all or none."""
    require_trust(call)
    data = read_data(call)
    if not get_text(data, "vendorId"):
        raise Refusal("BDC_1108", "vendorId")
    wanted = data.get("billPays")
    if not is_list_of_objects(wanted):
        raise Refusal("BDC_1108", "billPays")
    if not all(get_text(one, "billId") for one in wanted):
        raise Refusal("BDC_1108", "billId")
    shared: Row = {"vendorId": data["vendorId"], "processDate": data.get("processDate")}
    if data.get("bankAccountId"):
        shared["fundingAccount"] = {"type": "BANK_ACCOUNT", "id": data["bankAccountId"]}
    names = ("billId", "amount", "description")
    planned = check_payments(call, [{**shared, **{name: one.get(name) for name in names}} for one in wanted])
    return succeed(to_v2("SentPay", make_payment(call, put_together(planned), get_author(call, "v2"))))


@routes.route("POST", "/CancelAPPayment")
@requires_session
def cancel(call: Call) -> Answer:
    """Cancel a payment before its day."""
    payment = get_row(call, "payments", get_text(read_data(call), "sentPayId"))
    cancel_payment(call, payment)
    return succeed(to_v2("SentPay", payment))


@routes.route("POST", "/SendVendorInvite")
@requires_session
def invite_vendor(call: Call) -> Answer:
    """Invite a vendor."""
    require_trust(call)
    invite(call, "VENDOR", get_text(read_data(call), "vendorId"))
    return succeed({})


@routes.route("POST", "/SendInvite")
@requires_session
def invite_customer(call: Call) -> Answer:
    """Invite a customer."""
    require_trust(call)
    invite(call, "CUSTOMER", get_text(read_data(call), "customerId"))
    return succeed({})
