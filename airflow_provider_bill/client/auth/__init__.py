"""The kinds of sign-in, one module each; it decides all that depends on the kind.

A kind is a subclass of ``Credentials`` in a module named after it, loaded only when a connection asks for it.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Mapping
from importlib import import_module

from airflow_provider_bill.client.auth.base import Credentials
from airflow_provider_bill.exceptions import BillConfigurationError

#: Kinds that share a module.
_MODULES = {"v3": "password", "v2": "password"}


def kinds() -> list[str]:
    """Return the names of all kinds of sign-in."""
    for module in pkgutil.iter_modules(__path__):
        import_module(f"{__name__}.{module.name}")
    return [*_MODULES, *sorted(Credentials.registry.keys() - _MODULES.keys())]


def credentials_from(kind: str, fields: Mapping[str, str | None]) -> Credentials:
    """Return the credentials of a kind from the fields of a connection.

    :param kind: what the connection's extra ``sign_in`` says
    :param fields: ``login``, ``password`` and the extras that the kind declares; others are ignored
    :raises BillConfigurationError: if the kind does not exist, or a field is missing, blank or unfit
    """
    name = _MODULES.get(kind, kind)
    if any(module.name == name for module in pkgutil.iter_modules(__path__)):
        import_module(f"{__name__}.{name}")
    if kind not in Credentials.registry:
        raise BillConfigurationError(
            f"the connection's extra sign_in is {kind!r}, which does not exist",
            advice=f"use one of: {', '.join(kinds())}",
        )
    return Credentials.registry[kind].from_fields(fields)
