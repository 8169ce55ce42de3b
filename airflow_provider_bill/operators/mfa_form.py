"""The form in which a person enters the code: its field, its buttons, its words, and how long it stays open."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import pendulum

#: Near the life of a code: who answers later gets a new one anyway.
RESPONSE_TIMEOUT = timedelta(minutes=5)
#: Airflow redacts names with "token" in the audit log.
FIELD = "mfa_token"
ENTER, NEW_TEXT = "Enter the code", "Send a new text"
#: In a form that may wait longer than a code lives: the text is sent when somebody has the phone at hand.
SEND = "Send me the code"

_AFTERWARDS = (
    "Airflow never changes the words of a form, not after a wrong code, nor after a new text, nor when the task is "
    "cleared: times and tries are those of the text that was the newest when this form was made. If the form comes "
    "back, the task's log says whether the code was wrong or too old, and how many tries are left. Each new text can "
    "be entered for five minutes.\n\n"
    'Airflow\'s list of required actions says "No Response Received" later on, although the code was entered: the '
    "answer is removed at once, as it holds the code. Who entered it is in the task's XCom, as `entered_by`."
)


@dataclass(frozen=True)
class FormFacts:
    """What a form tells; all who see the DAG can read it, so it holds no secret.

    :param waiting: the task that waits: DAG, run, task and map index (-1: not mapped)
    :param connection: Airflow connection id
    :param organization: BILL's id; empty if it is not known
    :param user: a hint at BILL's user
    :param phone: the last digits of the phone; empty if BILL does not tell them
    :param sent_at: when the text was sent; None if none was
    :param until: until when the code can be entered, or, without a text, the form be answered; None for ever
    :param tries_left: codes that BILL will still look at; None if no text was sent
    :param tries: codes that BILL looks at for one text
    """

    waiting: tuple[str, str, str, int]
    connection: str
    organization: str
    user: str
    phone: str = ""
    sent_at: datetime | None = None
    until: datetime | None = None
    tries_left: int | None = None
    tries: int = 0

    @property
    def subject(self) -> str:
        """What is asked for, in a line."""
        phone = f" the phone that ends in {self.phone}" if self.phone else " the user's phone"
        if self.tries_left is None:
            return f"BILL asks for a code: have it sent when you have{phone} at hand"
        if self.tries_left < self.tries:
            return f"The code was wrong ({_tries(self.tries_left)} left): enter the one that BILL has sent to{phone}"
        return f"BILL asks for the code that it has sent to{phone}"

    @property
    def body(self) -> str:
        """What a person needs to know, as Markdown."""
        if self.tries_left is None:
            what = (
                f"Press *{SEND}*, and BILL sends six digits by text. Then reload this page, enter them and press "
                f"*{ENTER}*, within five minutes."
            )
        else:
            what = f"Enter the six digits from the newest text message, and press *{ENTER}*."
            if self.tries_left < self.tries:
                what = f"**The last code that was entered is wrong.** {what}"
        return f"{what}\n\n{self._rows()}\n\n{_AFTERWARDS}"

    def _rows(self) -> str:
        dag, run, task, index = self.waiting
        where = "" if index < 0 else f", map index {index}"
        rows = {
            "Waiting": f"DAG {_code(dag)}, task {_code(task)}{where}, run {_code(run)}",
            "Connection": _code(self.connection),
            "Organization": _code(self.organization),
            "BILL user": _code(self.user),
            "Phone": f"ends in {self.phone}" if self.phone else "",
            "Text sent": _moment(self.sent_at),
            "Form open until" if self.tries_left is None else "Enter it before": _moment(self.until),
            "Tries left": "" if self.tries_left is None else f"{self.tries_left} of {self.tries}",
        }
        return "\n".join(f"- **{name}**: {value}" for name, value in rows.items() if value)


def in_words(moment: datetime) -> str:
    """Return a moment as a person writes it, with its zone."""
    return pendulum.instance(moment).in_timezone("UTC").format("D MMMM YYYY, HH:mm:ss [UTC]", locale="en")


def _moment(moment: datetime | None) -> str:
    return "" if moment is None else in_words(moment)


def _tries(number: int) -> str:
    return "1 try" if number == 1 else f"{number} tries"


def _code(text: str) -> str:
    """Return a text as Markdown shows it literally."""
    return f"`{text.replace('`', chr(39))}`" if text else ""
