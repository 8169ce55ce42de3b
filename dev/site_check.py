"""Checks that the site of `make docs` loads nothing from elsewhere: ``python -m dev.site_check``.

Links that a reader may press are fine. Links and anchors within the site are checked by mkdocs itself.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

SITE = Path("site")
#: What a browser fetches by itself. A `link` does by some of its kinds.
_LOADED = {
    "script": ("src",),
    "img": ("src", "srcset"),
    "iframe": ("src",),
    "source": ("src", "srcset"),
    "video": ("src", "poster"),
    "audio": ("src",),
    "embed": ("src",),
    "object": ("data",),
    "link": ("href",),
}
_HARMLESS_LINKS = frozenset({"canonical", "next", "prev", "alternate", "author", "license"})
#: Marks at which the theme's script fetches something: the stars of a repository, a drawer of diagrams.
_FETCHING = ('data-md-component="source"', 'class="mermaid"')
_ELSEWHERE = re.compile(r"^\s*(https?:)?//", re.IGNORECASE)
_IN_STYLES = re.compile(r"url\(\s*['\"]?((?:https?:)?//[^)'\"\s]+)|@import\s+['\"]((?:https?:)?//[^'\"]+)")


class _Loads(HTMLParser):
    """Collects the addresses that a page loads from elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Look at one element."""
        values = dict(attrs)
        if tag == "link" and set((values.get("rel") or "").split()) <= _HARMLESS_LINKS:
            return
        self.found += [
            value for name in _LOADED.get(tag, ()) if _ELSEWHERE.match(value := (values.get(name) or "").strip())
        ]


def loads_from_elsewhere(name: str, text: str) -> list[str]:
    """Return what a file of the site would load from elsewhere.

    :param name: of the file, which tells pages from styles
    """
    styles = [one or other for one, other in _IN_STYLES.findall(text)]
    if not name.endswith(".html"):
        return styles if name.endswith(".css") else []
    parser = _Loads()
    parser.feed(text)
    return [*parser.found, *styles, *(mark for mark in _FETCHING if mark in text)]


def check(site: Path) -> Iterator[str]:
    """Yield a sentence for each thing that is loaded from elsewhere."""
    for path in sorted(site.rglob("*")):
        if path.suffix in (".html", ".css"):
            for found in loads_from_elsewhere(path.name, path.read_text(encoding="utf-8")):
                yield f"{path.relative_to(site)} loads {found}"


def main() -> int:
    """Print what is wrong; return 0 if nothing is."""
    if not (SITE / "index.html").is_file():
        print("There is no site: run `make docs`.", file=sys.stderr)
        return 1
    wrong = list(check(SITE))
    print("\n".join(wrong) or "The site loads nothing from elsewhere.")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
