"""Why an answer of the local BILL is not as BILL's collection has it, and why an operation is not served."""

from __future__ import annotations

DIFFERENCES: dict[str, str] = {}

NOT_SERVED: dict[str, str] = {}
