"""Reading an Airflow connection, where Airflow itself lets it through."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from airflow.providers.common.compat.sdk import Connection

from airflow_provider_bill.exceptions import BillConfigurationError
from airflow_provider_bill.hooks.connection import read_connection


@pytest.mark.parametrize("extra", ["not json", "[1]", '"text"'])
def test_an_extra_that_is_no_json_object_is_refused(extra: str) -> None:
    # Airflow refuses it at some of its doors; a secrets backend of one's own can still hand it over.
    connection = SimpleNamespace(conn_id="bill_default", extra=extra, login="ada", password="secret", host="")
    with pytest.raises(BillConfigurationError, match="extra of connection 'bill_default' is not a JSON object"):
        read_connection(connection)  # type: ignore[arg-type]


def test_host_and_port_may_stand_in_their_own_fields() -> None:
    connection = Connection(
        conn_id="b",
        conn_type="bill",
        host="127.0.0.1",
        port=8787,
        login="ada",
        password="secret",
        extra='{"developer_api_key": "key", "organization_id": "008A"}',
    )
    _, environment = read_connection(connection)
    assert environment.v3_base == "http://127.0.0.1:8787/connect"
