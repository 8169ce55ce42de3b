"""Texts whose ``repr`` is masked: so no debugger, error tracker or log of local variables shows them."""

from __future__ import annotations

MASK = "***"


class Secret(str):
    """A text whose ``repr`` is masked; ``str`` gives it, as it must be sent in the end."""

    __slots__ = ()

    def __repr__(self) -> str:
        return repr(MASK)


class SecretBytes(bytes):
    """Bytes whose ``repr`` is masked."""

    def __repr__(self) -> str:
        return repr(MASK.encode())
