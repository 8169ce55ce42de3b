"""``BillPlugin``: puts the page of sessions and writes into Airflow's menu. Light: all processes load it."""

from __future__ import annotations

from typing import Any

from airflow.plugins_manager import AirflowPlugin

from airflow_provider_bill.version_compat import AIRFLOW_V_3_1_PLUS

#: Where the page lies, below Airflow's own address.
PREFIX = "/bill"


class LazyPage:
    """An ASGI application that is made for its first request: only the API server serves it, all processes load it."""

    def __init__(self) -> None:
        self._app: Any = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve a request."""
        if self._app is None:
            from airflow_provider_bill.plugins.page import make_app

            self._app = make_app()
        await self._app(scope, receive, send)


class BillPlugin(AirflowPlugin):
    """The page at ``/bill/``, under Admin in the menu; nothing on Airflow before 3.1, which has no such pages."""

    name = "bill"
    fastapi_apps = [{"app": LazyPage(), "url_prefix": PREFIX, "name": "BILL"}] if AIRFLOW_V_3_1_PLUS else []
    # The address is relative: Airflow's page names its own as the base, also below a path.
    external_views = (
        [
            {
                "name": "BILL",
                "href": f"{PREFIX.strip('/')}/",
                "destination": "nav",
                "category": "admin",
                "url_route": "bill",
            }
        ]
        if AIRFLOW_V_3_1_PLUS
        else []
    )
