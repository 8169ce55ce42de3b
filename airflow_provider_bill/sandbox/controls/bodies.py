"""The bodies that controls take."""

from __future__ import annotations

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field


class ControlBody(BaseModel):
    """A control's body; names that it does not know are refused."""

    model_config = ConfigDict(extra="forbid")


class ClockMove(ControlBody):
    """How far the clock moves, or the moment at which it stops; one of the two."""

    advance_seconds: float = Field(0, ge=0, description="Seconds forward.")
    stop_at: AwareDatetime | None = Field(
        None, description="ISO 8601 with an offset; from now on only advance_seconds moves the clock."
    )


class Expire(ControlBody):
    """Whose sessions end; nothing named: all."""

    organization_id: str | None = None
    username: str | None = None
    user_id: str | None = None


class UserName(ControlBody):
    """A user."""

    username: str


class Password(UserName):
    """A new password."""

    password: str = Field(min_length=1)


class Phone(UserName):
    """A phone; null takes it away."""

    phone: str | None


class Active(UserName):
    """Whether the user is active."""

    active: bool


class KeyState(ControlBody):
    """A developer key's state."""

    developer_key: str
    state: str = Field(pattern="^(active|inactive|terms)$")


class Clients(ControlBody):
    """How many client organizations the accountant console gets."""

    count: int = Field(ge=1, le=5000)


class Lock(ControlBody):
    """Whether an organization is locked out."""

    organization_id: str
    locked: bool = True
