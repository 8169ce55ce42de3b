"""What BILL takes as the label of a device; loads nothing, so that a DAG file can ask."""

from __future__ import annotations

from airflow_provider_bill.exceptions import BillConfigurationError

#: BILL takes a device label of up to 100 characters
#: (https://developersupport.bill.com/hc/en-us/articles/115000169443-MFAAuthenticate).
DEVICE_LENGTH = 100


def check_device(label: str) -> str:
    """Return a device label if BILL can take it.

    :raises BillConfigurationError: if it is blank or too long
    """
    if not label.strip() or len(label) > DEVICE_LENGTH:
        raise BillConfigurationError(
            f"the device label is blank or longer than {DEVICE_LENGTH} characters",
            advice="set device to the name of this installation, and keep it",
        )
    return label
