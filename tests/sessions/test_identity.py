from __future__ import annotations

import pytest

from airflow_provider_bill.exceptions import BillHandleError
from airflow_provider_bill.sessions.identity import Handle, Identity, XComPlace

GOOD = {"conn_id": "bill_default", "organization_id": "008A", "store": "variable", "key": "k"}


def test_the_key_names_connection_organization_and_kind_and_is_masked_by_airflow():
    assert Identity("c", "008A", "v3", "x").session_key == "bill_session_token__c__008A__v3"
    assert Identity("c", "", "oauth", "x").session_key == "bill_session_token__c__any__oauth"


def test_a_handle_survives_the_way_through_xcom():
    handle = Handle("c", "008A", "xcom", "k", XComPlace("d", "r", "t", 3), True, "2026-11-21T12:00:00+00:00")
    assert Handle.from_dict(handle.as_dict()) == handle


@pytest.mark.parametrize(
    ("value", "named"),
    [
        (None, "session is missing"),
        ("text", "session is of type str"),
        ([], "session is of type list"),
        ({}, "'conn_id'"),
        ({**GOOD, "organization_id": 8}, "'organization_id'"),
        ({**GOOD, "key": None}, "'key'"),
        ({**GOOD, "store": "redis"}, "store is not variable, xcom or memory"),
        ({**GOOD, "store": "xcom"}, "'where'"),
        ({**GOOD, "store": "xcom", "where": {"dag_id": "d"}}, "'where'"),
        ({**GOOD, "store": "xcom", "where": "login"}, "'where'"),
    ],
)
def test_a_malformed_handle_is_refused_in_one_sentence_that_names_the_field(value, named):
    with pytest.raises(BillHandleError) as caught:
        Handle.from_dict(value)
    assert named in str(caught.value)
    assert "session=login.output" in str(caught.value)
