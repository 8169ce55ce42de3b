"""The v3 writes that BILL answers with nothing; from all others an empty answer says nothing about what was done.

Source: BILL's own request collection.
"""

from __future__ import annotations

import re

_POSTS = re.compile(
    r"/v3/("
    r"invoices/[^/]+/email"
    r"|network/invitation/(accept|(customer|vendor)/[^/]+|vendor/[^/]+/email)"
    r"|(partner/risk-verifications/[^/]+|risk-verifications)/phone"
    r")/?"
)


def may_be_empty(method: str, path: str) -> bool:
    """Return whether BILL documents an empty answer to a write.

    :param method: HTTP method in capitals
    :param path: checked path
    """
    return method == "DELETE" or (method == "POST" and bool(_POSTS.fullmatch(path)))
