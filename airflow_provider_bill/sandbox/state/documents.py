"""The files that were uploaded, and the links that open a file to whoever has them."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from airflow_provider_bill.sandbox.ids import make_id

#: Seconds for which a link opens its file.
LINK_SECONDS = 900.0
#: Seconds for which the document of a bill is said to be in the works; it can be read at once all the same.
PROCESSING_SECONDS = 5.0


@dataclass(slots=True, kw_only=True)
class Document:
    """A file of a bill, an invoice, a customer or a vendor.

    :param id: of the document or attachment
    :param upload_id: by which the upload of a bill's document is asked about; the id of an attachment
    :param owner: collection and id of what it belongs to
    :param created: moment in seconds since the epoch
    """

    id: str
    upload_id: str
    organization_id: str
    owner: tuple[str, str]
    name: str
    content: bytes
    created: float


@dataclass(frozen=True, slots=True)
class Link:
    """What a link opens.

    :param name: of the file
    :param ends: moment in seconds since the epoch
    :param document: that it leads to, if it is one
    """

    name: str
    content: bytes
    ends: float
    document: Document | None


class Documents:
    """All documents and links."""

    def __init__(self) -> None:
        self.documents: list[Document] = []
        self._count = 0
        self.links: dict[str, Link] = {}

    def add(
        self, organization: tuple[int, str], owner: tuple[str, str], name: str, content: bytes, now: float
    ) -> Document:
        """Keep a file.

        :param organization: number and id
        """
        number, organization_id = organization
        self._count += 1
        count = self._count
        prefixes = ("00h", "0du") if owner[0] == "bills" else ("att", "att")
        document_id, upload_id = (make_id(prefix, number, count) for prefix in prefixes)
        document = Document(
            id=document_id,
            upload_id=upload_id,
            organization_id=organization_id,
            owner=owner,
            name=name,
            content=content,
            created=now,
        )
        self.documents.append(document)
        return document

    def find(self, organization_id: str, document_id: str) -> Document | None:
        """Return an organization's document by either of its ids."""
        for document in self.documents:
            if document.organization_id == organization_id and document_id in (document.id, document.upload_id):
                return document
        return None

    def remove(self, document: Document) -> None:
        """Forget a file, and close the links to it."""
        self.documents.remove(document)
        self.links = {token: link for token, link in self.links.items() if link.document is not document}

    def open_link(self, name: str, content: bytes, now: float, document: Document | None = None) -> str:
        """Return the token of a new link.

        :param document: to which it leads; None where there is none
        """
        for token in [token for token, link in self.links.items() if link.ends <= now]:
            del self.links[token]
        token = secrets.token_urlsafe(24)
        self.links[token] = Link(name, content, now + LINK_SECONDS, document)
        return token

    def follow(self, token: str, now: float) -> Link | None:
        """Return what a link opens; None if it is over, or there never was one."""
        link = self.links.get(token)
        return link if link is not None and now < link.ends else None
