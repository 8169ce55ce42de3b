"""Makes Markdown of the Sphinx markup in our docstrings, for the class reference of `make docs`."""

from __future__ import annotations

import re
from typing import Any

from griffe import Extension, Object

_SEE = re.compile(r"^( *)\.\. seealso:: (\S+)$", re.MULTILINE)
_ROLE = re.compile(r":(?:class|func|meth):`([^`]+)`")


class SphinxMarkup(Extension):  # type: ignore[misc] # griffe is not installed where mypy runs
    """Rewrite the one directive and the few roles that we use."""

    def on_object(self, *, obj: Object, **_: Any) -> None:
        """Rewrite the docstring of whatever was loaded."""
        if obj.docstring:
            obj.docstring.value = as_markdown(obj.docstring.value)


def as_markdown(text: str) -> str:
    """Return a docstring in Markdown."""
    return _ROLE.sub(r"`\1`", _SEE.sub(r"\1BILL's page: <\2>", text))
