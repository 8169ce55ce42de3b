"""Where credentials may be sent, and where not."""

from __future__ import annotations

import pytest

from airflow_provider_bill.client.environments import ENVIRONMENTS, resolve_environment
from airflow_provider_bill.exceptions import BillConfigurationError


def test_the_two_environments_are_bills_own_hosts() -> None:
    sandbox, production = ENVIRONMENTS["sandbox"], ENVIRONMENTS["production"]
    assert (sandbox.v3_base, sandbox.v2_base, sandbox.token_url) == (
        "https://gateway.stage.bill.com/connect",
        "https://api-stage.bill.com/api/v2",
        "https://auth.stage.bill.com/authx/token",
    )
    assert (production.v3_base, production.v2_base, production.token_url) == (
        "https://gateway.prod.bill.com/connect",
        "https://api.bill.com/api/v2",
        "https://auth.bill.com/authx/token",
    )


def test_an_environment_that_does_not_exist_is_refused_naming_the_valid_ones() -> None:
    with pytest.raises(BillConfigurationError, match=r"'staging'.*sandbox, production"):
        resolve_environment("staging")


@pytest.mark.parametrize(
    ("host", "base"),
    [
        ("localhost:8787", "http://localhost:8787"),
        ("127.0.0.1", "http://127.0.0.1"),
        ("127.9.9.9:1", "http://127.9.9.9:1"),
        ("[::1]:8080", "http://[::1]:8080"),
        ("::1", "http://[::1]"),
        ("http://127.0.0.1:8787/", "http://127.0.0.1:8787"),
        (" localhost:1 ", "http://localhost:1"),
        ("proxy.example.com", "https://proxy.example.com"),
        ("https://proxy.example.com:8443/bill", "https://proxy.example.com:8443/bill"),
    ],
)
def test_a_local_bill_or_a_proxy_takes_the_place_of_bills_hosts(host: str, base: str) -> None:
    found = resolve_environment("production", host)
    assert found.name == "production"
    assert (found.v3_base, found.v2_base) == (f"{base}/connect", f"{base}/api/v2")
    assert found.token_url == f"{base}/connect/authx/token"


@pytest.mark.parametrize("host", ["gateway.stage.bill.com", "https://api-stage.bill.com/", "GATEWAY.stage.bill.com"])
def test_a_bill_host_of_the_right_environment_changes_nothing(host: str) -> None:
    assert resolve_environment("sandbox", host) == ENVIRONMENTS["sandbox"]


@pytest.mark.parametrize(
    ("name", "host", "words"),
    [
        ("production", "gateway.bill.com", "gateway.prod.bill.com"),
        ("production", "app.bill.com", "api.bill.com"),
        ("sandbox", "https://api-sandbox.bill.com/api/v2", "api-stage.bill.com"),
        ("sandbox", "app-sandbox.bill.com", "api-stage.bill.com"),
        ("sandbox", "app-stage.bill.com", "api-stage.bill.com"),
        ("sandbox", "login.stage.us.bill.com", "gateway.stage.bill.com"),
        ("sandbox", "gateway.bill.com", "gateway.stage.bill.com"),
        ("sandbox", "gateway.prod.bill.com", "production"),
        ("sandbox", "auth.stage.bill.com", "gateway.stage.bill.com"),
        ("production", "https://auth.bill.com", "gateway.prod.bill.com"),
        ("production", "api-stage.bill.com", "sandbox"),
        ("sandbox", "http://gateway.stage.bill.com", "https"),
        ("sandbox", "http://proxy.example.com", "https"),
        ("sandbox", "http://10.0.0.1:8787", "https"),
        ("sandbox", "http://localhost.example.com", "https"),
        ("sandbox", "ftp://localhost", "https"),
        ("sandbox", "https://gateway.stage.bill.com/connect/v3", "path"),
        ("sandbox", "https://gateway.stage.bill.com:444", "port"),
        ("sandbox", "https://proxy.example.com/connect", "/connect"),
        ("sandbox", "https://user:pw12345@proxy.example.com", "user"),
        ("sandbox", "https://proxy.example.com?devKey=x", "query"),
        ("sandbox", "https://proxy.example.com#x", "fragment"),
        ("sandbox", "http://localhost:99999", "not an address"),
        ("sandbox", "http://", "not an address"),
        ("sandbox", "two words", "not an address"),
    ],
)
def test_a_host_that_is_neither_bill_nor_loopback_nor_https_is_refused(name: str, host: str, words: str) -> None:
    with pytest.raises(BillConfigurationError, match="host") as caught:
        resolve_environment(name, host)
    assert words in str(caught.value)
    assert "pw12345" not in str(caught.value)


def test_a_token_url_may_be_set_apart_and_obeys_the_same_rules() -> None:
    for url in (
        "https://auth.example.com/oauth/token",
        "https://auth.stage.bill.com/authx/token",
        "https://gateway.stage.bill.com/connect/authx/token",
    ):
        assert resolve_environment("sandbox", oauth_url=url).token_url == url
    assert resolve_environment("sandbox", "127.0.0.1:1", url).v3_base == "http://127.0.0.1:1/connect"
    for wrong in (
        "http://auth.example.com/t",
        "https://gateway.prod.bill.com/authx/token",
        "https://auth.bill.com/authx/token",
        "https://auth.stage.bill.com:444/authx/token",
        "http://auth.stage.bill.com/authx/token",
        "https://a.example.com",
    ):
        with pytest.raises(BillConfigurationError, match="extra oauth_url"):
            resolve_environment("sandbox", oauth_url=wrong)


@pytest.mark.parametrize(
    ("name", "host", "endpoint", "kept"),
    [
        ("sandbox", "", "https://api-stage.bill.com/api/v2", True),
        ("sandbox", "", "https://api-stage.bill.com:443/api/v2/", True),
        ("sandbox", "", "https://api.bill.com/api/v2", False),
        ("production", "", "https://api.bill.com/api/v2", True),
        ("sandbox", "", "http://api-stage.bill.com/api/v2", False),
        ("sandbox", "", "https://api-stage.bill.com.example.com/api/v2", False),
        ("sandbox", "", "https://u@api-stage.bill.com/api/v2", False),
        ("sandbox", "", "https://api-stage.bill.com/api/v2?x=1", False),
        ("sandbox", "", "", False),
        ("sandbox", "", "http://[bad", False),
        ("sandbox", "http://127.0.0.1:5000", "http://127.0.0.1:5000/api/v2", True),
        ("sandbox", "http://127.0.0.1:5000", "http://127.0.0.1:5001/api/v2", False),
        ("sandbox", "http://127.0.0.1:5000", "https://api-stage.bill.com/api/v2", False),
        ("sandbox", "https://proxy.example.com", "https://api-stage.bill.com/api/v2", False),
    ],
)
def test_an_endpoint_that_bill_names_is_used_only_on_a_known_host(
    name: str, host: str, endpoint: str, kept: bool
) -> None:
    environment = resolve_environment(name, host)
    assert environment.checked_endpoint(endpoint) == (endpoint.rstrip("/") if kept else "")
