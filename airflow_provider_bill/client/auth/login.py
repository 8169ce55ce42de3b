"""Sign-in through ``POST /v3/login`` and ``Login.json``, which several kinds share.

Sources: https://developer.bill.com/reference/login, https://developer.bill.com/v2/reference/auth-login,
https://developer.bill.com/v2/docs/api-sandbox-sign-in.
"""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar

from airflow_provider_bill.client.answers import Answer, no_answer, text_in
from airflow_provider_bill.client.auth.base import Credentials, KeyedCredentials
from airflow_provider_bill.client.auth.device import RememberedDevice
from airflow_provider_bill.client.request import Dialect, Purpose, v2_request, v3_request
from airflow_provider_bill.client.requester import Requester
from airflow_provider_bill.client.results import Organization
from airflow_provider_bill.client.session import BillSession
from airflow_provider_bill.client.v2 import V2
from airflow_provider_bill.client.v3 import device_fields
from airflow_provider_bill.exceptions import BillError

log = logging.getLogger(__name__)


def opened_v3_session(
    credentials: Credentials, requester: Requester, answer: Answer, *, user_id: str = ""
) -> BillSession:
    """Return the session of a v3 sign-in.

    :param user_id: the signed-in user, where the answer does not name one
    """
    token = answer.required_text("sessionId")
    requester.redactor.add([token])
    return credentials.opened_session(
        token,
        answer,
        organization_id=answer.text("organizationId") or credentials.organization_id,
        user_id=answer.text("userId") or user_id,
        trusted=answer.body.get("trusted") is True,
        tells_trust="trusted" in answer.body,
    )


class V3Login(KeyedCredentials):
    """Base of the kinds that sign in by ``POST /v3/login``."""

    @abstractmethod
    def user(self) -> dict[str, str]:
        """Return the two fields that name the user and prove it."""

    def sign_in(self, requester: Requester, remembered: RememberedDevice | None) -> BillSession:
        """Open a session."""
        body = {
            "organizationId": self.organization_id,
            **device_fields(remembered),
            **self.user(),
            "devKey": self.developer_key,
        }
        answer = requester.v3(v3_request("POST", "/v3/login", Purpose.SIGN_IN, body=body), {})
        return opened_v3_session(self, requester, answer)


class V2Login(KeyedCredentials):
    """Base of the kinds that sign in by ``Login.json``; v2 has no step-up, its device goes with the sign-in."""

    dialect: ClassVar[Dialect] = "v2"
    steps_up: ClassVar[bool] = False
    lists_by_credentials: ClassVar[bool] = True

    @abstractmethod
    def user(self) -> dict[str, str]:
        """Return the two fields that name the user and prove it."""

    def sign_in(self, requester: Requester, remembered: RememberedDevice | None) -> BillSession:
        """Open a session, and ask whether it is trusted, which v2 does not say by itself."""
        fields = {**self.user(), "orgId": self.organization_id, "devKey": self.developer_key}
        if remembered is not None:
            fields |= {"deviceId": remembered.device, "mfaId": remembered.token}
        answer = requester.v2(v2_request("/Login.json", Purpose.SIGN_IN), fields)
        token = answer.required_text("sessionId")
        requester.redactor.add([token])
        session = self.opened_session(
            token,
            answer,
            organization_id=answer.text("orgId") or self.organization_id,
            user_id=answer.text("usersId"),
            api_endpoint=requester.environment.checked_endpoint(answer.text("apiEndPoint")),
        )
        if remembered is None:
            return session
        try:
            return replace(session, trusted=V2(requester, self).is_trusted(session, remembered))
        except BillError as error:  # The session is worth keeping even so.
            log.debug("MFAStatus after sign-in: %s", type(error).__name__)
            return replace(session, tells_trust=bool(error.code) and not error.retryable)

    def organizations(self, requester: Requester) -> list[Organization]:
        """List the organizations of the user; counts as a sign-in."""
        request = v2_request("/ListOrgs.json", Purpose.SIGN_IN)
        answer = requester.v2(request, {**self.user(), "devKey": self.developer_key})
        if not isinstance(answer.body, list):
            raise no_answer(request, answer.status, "no list")
        rows = (row for row in answer.body if isinstance(row, Mapping))
        return [Organization(id=text_in(row, "orgId"), name=text_in(row, "orgName")) for row in rows]
