"""What the processes of one user on one host share without an Airflow: a folder of their own."""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import tempfile
import uuid
from pathlib import Path

from airflow_provider_bill.exceptions import BillStoreError


def own_folder() -> Path:
    """Return the folder, made if need be.

    Its name is no secret and the temporary directory is everybody's, so another user may have been there first.

    :raises OSError: it is not a folder that only this user can reach
    """
    folder = Path(tempfile.gettempdir()) / f"airflow-provider-bill-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or stat.S_IMODE(found.st_mode) & 0o077:
        raise PermissionError(f"{folder} is a link, another user's, or open to others: remove it")
    return folder


def file_of(key: str, kind: str) -> Path:
    """Return where something of a key lies.

    :param kind: the file's ending
    :raises OSError: there is no folder for it
    """
    return own_folder() / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.{kind}"


def host_id() -> str:
    """Return an id that all who share the folder have in common; host names and process ids repeat in containers.

    :raises OSError: there is no folder for it
    """
    file = own_folder() / "host"
    if not file.exists():
        new = file.with_suffix(f".{uuid.uuid4().hex}")
        try:
            new.write_text(new.suffix)
            with contextlib.suppress(FileExistsError):
                os.link(new, file)  # unlike a write, it appears whole, and once
        finally:
            new.unlink(missing_ok=True)
    return file.read_text()


class HostStore:
    """Keeps texts in files that only this user can read, for where no Variables can be reached."""

    name = "host"
    exposed = True

    def read(self, key: str) -> str | None:
        """Return the text, or None."""
        try:
            return file_of(key, "note").read_text()
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise _failed("read", key, error) from None

    def write(self, key: str, text: str) -> None:
        """Keep the text."""
        try:
            file = file_of(key, "note")
            new = file.with_suffix(f".{uuid.uuid4().hex}")
            try:
                with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as open_file:
                    open_file.write(text)
                new.replace(file)
            finally:
                new.unlink(missing_ok=True)
        except OSError as error:
            raise _failed("written", key, error) from None

    def delete(self, key: str) -> None:
        """Forget the text."""
        try:
            file_of(key, "note").unlink(missing_ok=True)
        except OSError as error:
            raise _failed("deleted", key, error) from None


def _failed(what: str, key: str, error: Exception) -> BillStoreError:
    return BillStoreError(
        f"the note {key!r} could not be {what} on this host ({type(error).__name__})",
        advice=f"see whether this user can write to {tempfile.gettempdir()}",
    )
