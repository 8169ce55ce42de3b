"""What a payment abroad takes, by country, as far as the standards of bank accounts say (ISO 9362 and ISO 13616).

BILL's own list of purposes and of further fields is not public: a country that is not here is refused.
"""

from __future__ import annotations

from airflow_provider_bill.sandbox.data.catalog import Row
from airflow_provider_bill.sandbox.errors import Refusal

#: The characters of an IBAN after its country.
_IBANS = {"AT": 18, "BE": 14, "CH": 19, "DE": 20, "DK": 16, "ES": 22, "FI": 16, "FR": 25, "GB": 20, "IE": 20, "NL": 16}
_BIC = "^[A-Z]{6}[A-Z0-9]{2}([A-Z0-9]{3})?$"


def describe_country(country: str) -> Row:
    """Return what paying a vendor in a country takes.

    :param country: two letters.
    """
    if country not in _IBANS:
        known = ", ".join(_IBANS)
        raise Refusal("BDC_1129", "country", f"{country} (the local BILL knows {known})", status=422)
    iban = f"^{country}[A-Z0-9]{{{_IBANS[country]}}}$"
    fields = [
        {"name": "accountNumber", "description": "IBAN", "regularExpression": iban, "required": True},
        {"name": "routingNumber", "description": "BIC", "regularExpression": _BIC, "required": True},
    ]
    return {
        "paymentPurpose": {"required": False, "type": "CODE", "codes": []},
        "validations": {"fields": fields},
    }
