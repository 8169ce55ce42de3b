"""One family of errors; each says what happened, what to do next, and whether trying again can help.

Knows nothing of Airflow: ``hooks/errors.py`` turns those that must not be retried into ones that Airflow does
not retry. No message, attribute or traceback of these errors holds a secret.
"""

from __future__ import annotations

from datetime import datetime


class BillError(Exception):
    """Base of all errors of this provider.

    :param message: what happened, naming the field or BILL's code; never a secret
    :param advice: what to do next
    :param code: BILL's code, such as ``BDC_1109``, where BILL gave one
    :param status: HTTP status, where there was an answer
    """

    #: Whether the same call, unchanged, can succeed later. Airflow does not retry where this is False.
    retryable = False

    def __init__(self, message: str, *, advice: str = "", code: str | None = None, status: int | None = None) -> None:
        self.advice = advice
        self.code = code
        self.status = status
        super().__init__(f"{message.rstrip('.')}; {advice}" if advice else message)


class BillConfigurationError(BillError):
    """A connection, argument or handle cannot work as it stands; nothing was sent."""


class BillHandleError(BillConfigurationError):
    """A handle is malformed, or belongs to another connection."""


class BillApiError(BillError):
    """BILL answered with an error that asking again will not mend."""


class BillSignInRefusedError(BillApiError):
    """BILL refused the credentials; ten refusals lock the user, so the same ones are not sent again."""

    #: Key of the note about the refusal, and when it was noted; None if BILL has refused just now.
    note_key: str = ""
    noted_at: str | None = None


class BillSessionExpiredError(BillApiError):
    """The session is unknown to BILL, over, or of another developer key (BDC_1109)."""


class BillMfaRequiredError(BillApiError):
    """The call needs an MFA-trusted session (BDC_1361); signing in again does not help."""


class BillMfaError(BillApiError):
    """BILL refused an MFA step: a wrong or expired code, too many tries, or no phone."""


class BillRateLimitError(BillApiError):
    """An hourly limit is used up (BDC_1144); BILL refused before acting.

    :param retry_at: the start of the next clock hour, when BILL counts anew
    """

    retryable = True

    def __init__(
        self,
        message: str,
        *,
        advice: str = "",
        code: str | None = None,
        status: int | None = None,
        retry_at: datetime | None = None,
    ) -> None:
        self.retry_at = retry_at
        super().__init__(message, advice=advice, code=code, status=status)


class BillConcurrencyError(BillApiError):
    """More than three calls at once for a developer key and organization (BDC_1322); BILL refused before acting."""

    retryable = True


class BillUnavailableError(BillError):
    """BILL could not be reached, or answered what is no answer of BILL; nothing was changed there."""

    retryable = True


class BillAnswerTooLargeError(BillError):
    """The answer to a call that writes nothing is larger than is read; asking again will not make it smaller."""


class BillOutcomeUnknownError(BillError):
    """A write was sent and its outcome is unknown; sending it again could pay twice."""


class BillIdempotencyError(BillError):
    """An idempotency key stands for another write already; nothing was sent."""


class BillStoreError(BillError):
    """The place where sessions are kept did not answer; that is not the same as "no session"."""

    retryable = True
