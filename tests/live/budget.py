"""What one run of the live tests may ask of BILL: refused before it is sent, whoever sends it."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import IO, Any, NoReturn
from urllib.parse import urlsplit

from pendulum import DateTime

from airflow_provider_bill.client.environments import is_loopback
from airflow_provider_bill.client.protected import is_protected
from airflow_provider_bill.client.request import BillRequest
from airflow_provider_bill.client.transport import HttpResponse, Transport

CALLS = 40
SIGN_INS = 2
#: BILL's own sandbox; each of its production hosts is none of these.
HOSTS = ("gateway.stage.bill.com", "api-stage.bill.com")

#: Have BILL send a text or make a phone call.
_TEXTS = re.compile(r"/v3/mfa/(challenge|setup)|/v3/(partner/)?risk-verifications/.*phone|/MFAChallenge\.json", re.I)
#: Move money, promise it, or change who gets it.
_MONEY = re.compile(r"payment|/pay|charge|refund|transfer|funding-account|bank|autopay|/spend/", re.I)
#: Prove who we are; BILL counts each of them, as an hour has 200.
_SIGN_INS = re.compile(r"/v3/(partner/)?login(-as-user)?|/(Login|ListOrgs)\.json|.*/authx/token", re.I)
#: All that is sent by another method than GET. What is not named here changes something at BILL, or may.
_HARMLESS = re.compile(
    r"/v3/login|/v3/logout|/v3/mfa/step-up"
    r"|/(Login|Logout|GetSessionInfo|MFAStatus|Errors)\.json|/List/\w+\.json|/Crud/Read/\w+\.json"
)


class BudgetError(RuntimeError):
    """A live test wanted more of BILL than it may; nothing was sent."""


@dataclass
class Budget:
    """Counts what was sent in a run.

    :param address: of a local BILL on this machine, where that takes the place of BILL's sandbox
    """

    address: str = ""
    calls: int = 0
    sign_ins: int = 0
    _counting: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def take(self, request: BillRequest, url: str) -> None:
        """Count a call that is about to be sent.

        :raises BudgetError: it must not be sent
        """
        self._check_host(url)
        path, label = request.path, f"{request.method} {request.path}"
        if request.method != "GET":
            if _TEXTS.match(path):
                _refuse(f"{label} would have BILL text a code", "ask what can be asked without a phone")
            if _MONEY.search(path) or is_protected(request.method, path, request.body):
                _refuse(f"{label} could move money", "ask it of the local BILL")
            if not _HARMLESS.fullmatch(path):
                _refuse(f"{label} is not one of the calls that change nothing", "ask by a GET, or by a list of v2")
        with self._counting:
            signs_in = bool(_SIGN_INS.fullmatch(path)) and request.method != "GET"
            if self.calls >= CALLS:
                _refuse(f"{label} would be call {self.calls + 1} of this run", f"share answers: {CALLS} are allowed")
            if signs_in and self.sign_ins >= SIGN_INS:
                _refuse(f"{label} would be sign-in {self.sign_ins + 1}", f"share sessions: {SIGN_INS} are allowed")
            self.calls += 1
            self.sign_ins += signs_in

    def _check_host(self, url: str) -> None:
        parts = urlsplit(url)
        if self.address:
            own = urlsplit(self.address)
            if is_loopback(parts.hostname or "") and (parts.hostname, parts.port) == (own.hostname, own.port):
                return
        elif parts.scheme == "https" and parts.hostname in HOSTS and parts.port in (None, 443):
            return
        _refuse(f"{parts.hostname} is not BILL's sandbox", "these tests are never run against production or a proxy")


def _refuse(what: str, instead: str) -> NoReturn:
    raise BudgetError(f"{what}, so it was not sent; {instead}")


class BudgetedTransport(Transport):
    """A transport that asks the budget before each single sending.

    :param budget: of the run
    :param options: those of a transport
    """

    def __init__(self, budget: Budget, **options: Any) -> None:
        super().__init__(**options)
        self.budget = budget

    def send(
        self,
        request: BillRequest,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        form: Mapping[str, str] | None = None,
        sent_at: DateTime | None = None,
    ) -> HttpResponse:
        """Send a call that the budget allows.

        :raises BudgetError: it does not
        """
        self.budget.take(request, url)
        return super().send(request, url, headers=headers, form=form, sent_at=sent_at)

    def download(
        self,
        request: BillRequest,
        url: str,
        target: IO[bytes],
        *,
        headers: Mapping[str, str],
        most: int,
        sent_at: DateTime,
    ) -> tuple[HttpResponse, int]:
        """Refuse every download: a link leads wherever an answer says.

        :raises BudgetError: always
        """
        _refuse(f"{request.label} is a download", "look at the answer that holds the link")
