"""Sends one call in either dialect: headers or form, the moment it is sent, tries, reading of the answer."""

from __future__ import annotations

import json as jsonlib
from collections.abc import Mapping
from typing import Any

from airflow_provider_bill.client.answers import Reply, no_answer, read_v2, read_v3
from airflow_provider_bill.client.codes import Purpose
from airflow_provider_bill.client.environments import Environment
from airflow_provider_bill.client.redaction import Redactor
from airflow_provider_bill.client.retries import with_retries
from airflow_provider_bill.client.session import Clock
from airflow_provider_bill.client.transport import Answer, Transport
from airflow_provider_bill.exceptions import BillConfigurationError, BillError


class Wire:
    """The way to BILL that both dialects share.

    :param environment: where BILL is
    :param transport: sends
    :param redactor: knows the secrets
    :param clock: gives the moment of a call
    """

    def __init__(self, environment: Environment, transport: Transport, redactor: Redactor, clock: Clock) -> None:
        self.environment = environment
        self.transport = transport
        self.redactor = redactor
        self.clock = clock

    def v3(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        *,
        purpose: Purpose,
        params: Mapping[str, Any] | None = None,
        json: Any = None,
    ) -> Answer:
        """Make a v3 call.

        :param path: checked path, with its leading slash
        :param headers: those that prove who we are
        :raises BillError: see ``exceptions.py``
        """
        label, url = f"{method} {path}", self.environment.v3_base + path

        def once() -> Answer:
            reply = self.transport.send(
                label, purpose, method, url, headers=headers, params=params, json=json, sent_at=self.clock()
            )
            return Answer(reply.status, read_v3(reply, self.redactor.redact), reply.sent_at)

        return with_retries(once, label, purpose, self.transport.sleep)

    def v2(self, path: str, fields: Mapping[str, str], *, purpose: Purpose, data: Any = None, base: str = "") -> Answer:
        """Make a v2 call: a form with the given fields and, if there is ``data``, that as JSON text.

        :param path: checked path, with its leading slash
        :param base: what the path is appended to; empty for the environment's own
        :raises BillError: see ``exceptions.py``
        """
        label, url = f"POST {path}", (base or self.environment.v2_base) + path
        form = fields if data is None else {**fields, "data": _json_text(data, label)}

        def once() -> Answer:
            reply = self.transport.send(label, purpose, "POST", url, form=form, sent_at=self.clock())
            return Answer(reply.status, read_v2(reply, self.redactor.redact), reply.sent_at)

        return with_retries(once, label, purpose, self.transport.sleep)

    def token(self, fields: Mapping[str, str]) -> Answer:
        """Make the OAuth token call, once.

        :raises BillError: see ``exceptions.py``
        """
        reply = self.transport.send(
            "POST OAuth token",
            Purpose.SIGN_IN,
            "POST",
            self.environment.token_url,
            form=fields,
            sent_at=self.clock(),
        )
        return Answer(reply.status, read_v3(reply, self.redactor.redact), reply.sent_at)


def text_in(answer: Answer, key: str, label: str, purpose: Purpose) -> str:
    """Give a text that an answer must hold.

    :raises BillError: naming the key, if the answer lacks it
    """
    value = answer.body.get(key) if isinstance(answer.body, Mapping) else None
    if isinstance(value, str) and value and value.isprintable() and value.isascii():
        return value
    raise no_answer(Reply(label, purpose, answer.status, b"", answer.sent_at), f"no {key}")


def optional_text(body: Any, key: str) -> str:
    """Give a text that an answer may hold, else an empty one."""
    value = body.get(key) if isinstance(body, Mapping) else None
    return value if isinstance(value, str) else ""


def _json_text(data: Any, label: str) -> str:
    failure: BillError | None = None
    try:
        return jsonlib.dumps(data, allow_nan=False)
    except (TypeError, ValueError) as error:
        failure = BillConfigurationError(
            f"the data of {label} is not JSON ({type(error).__name__})",
            advice="give finite numbers, texts, lists and objects",
        )
    raise failure
