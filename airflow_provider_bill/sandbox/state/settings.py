"""The switches of the local BILL; every behaviour that BILL does not document is one of them."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Settings(BaseModel):
    """All settings, with the defaults that come nearest to what is known of BILL's sandbox."""

    model_config = ConfigDict(extra="forbid", validate_assignment=True)

    mfa_mode: Literal["enforced", "production-list", "off", "bypass"] = Field(
        default="enforced",
        description="`enforced`: payments, bank accounts and autopay need a trusted session. "
        "`production-list`: also updating a bank account and a vendor's bank account. "
        "`off`: the organization has MFA disabled. `bypass`: MFA is switched off for the developer key.",
    )
    mfa_code: str | None = Field(
        default=None, pattern=r"^\d{6}$", description="A fixed code; null: a random one each time."
    )
    mfa_code_seconds: float = Field(default=300, gt=0, description="Life of a code.")
    mfa_tries: int = Field(default=3, ge=1, description="The wrong try with this number ends the challenge (BDC_1358).")
    trusted_when_mfa_off: bool = Field(
        default=False, description="What `trusted` says when mfa_mode is `off` or `bypass`."
    )
    remember_days: float = Field(default=30, gt=0, description="Life of a remembered device.")
    device_holds_for: Literal["organization", "user"] = Field(
        default="organization",
        description="Where a remembered device is honoured: where it was given, or in all of its user's organizations.",
    )
    remember_field: Literal["rememberMeId", "mfaId", "both"] = "rememberMeId"
    bad_remember_me: Literal["untrusted", "refuse"] = Field(
        default="untrusted",
        description="Sign-in with an unknown rememberMeId: untrusted session, or refused (BDC_1109).",
    )

    latency_seconds: float = Field(
        default=0, ge=0, le=600, description="Each BILL call takes this long; calls overlap."
    )
    limit_status: int = Field(default=422, ge=400, le=499, description="HTTP status of BDC_1144 and BDC_1322 in v3.")
    sign_in_status: int = Field(default=401, ge=400, le=499, description="HTTP status of a refused v3 sign-in.")
    sms_limit_code: str = Field(
        default="BDC_1144", description="Code of the refusal when too many texts are asked for."
    )
    spend_limit_status: int = Field(default=429, ge=400, le=499, description="HTTP status of Spend & Expense's limit.")

    sign_ins_per_hour: int = Field(default=200, ge=0)
    calls_per_hour: int = Field(default=20000, ge=0)
    concurrent: int = Field(default=3, ge=1, description="Calls at once for each developer key and organization.")
    sms_per_minute: int = Field(default=5, ge=0)
    spend_per_minute: int = Field(default=60, ge=0)
    lock_after: int = Field(default=10, ge=1, description="Consecutive refused passwords that lock a user.")

    idle_seconds: float = Field(default=2100, gt=0, description="A session's idle life.")
    sync_idle_seconds: float = Field(default=172800, gt=0, description="The idle life of a sync token's session.")
    oauth_token_seconds: float = Field(default=3600, gt=0, description="The fixed life of an OAuth access token.")
    oauth_needs_mfa: bool = Field(default=False, description="Protected calls are refused to OAuth tokens.")
    sync_token_on_v3: bool = Field(
        default=False, description="v3 login accepts a sync token as user name and password."
    )
    v2_cookies: bool = Field(
        default=False, description="v2 sign-in sets the old `sid` cookie, and calls may send only it."
    )
    credentials_in_urls: Literal["refuse", "allow"] = "refuse"
    overpayment: Literal["allow", "refuse"] = Field(
        default="allow",
        description="Whether a bill can be paid beyond what is due, so that a double payment shows.",
    )
