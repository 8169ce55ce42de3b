"""The remembered device: the 30-day proof of MFA that goes with a sign-in or a step-up."""

from __future__ import annotations

from dataclasses import dataclass, field

from airflow_provider_bill.client.device_label import check_device
from airflow_provider_bill.client.secret import Secret
from airflow_provider_bill.exceptions import BillConfigurationError


@dataclass(frozen=True)
class RememberedDevice:
    """The proof that a person passed MFA: v3 ``rememberMeId``, v2 ``mfaId``, and its device label.

    :param token: BILL's id; secret
    :param device: the label given when the id was made, unchanged, up to 100 characters
    :raises BillConfigurationError: if one of the two is blank
    """

    token: str = field(repr=False)
    device: str

    def __post_init__(self) -> None:
        for name, other, value in (
            ("remembered_device_token", "device", self.token),
            ("device", "remembered_device_token", self.device),
        ):
            if not isinstance(value, str) or not value.strip():
                raise BillConfigurationError(
                    f"{name} of the remembered device is missing",
                    advice=f"set the extra {name} too, or remove the extra {other}: one needs the other",
                )
        check_device(self.device)
        object.__setattr__(self, "token", Secret(self.token))
