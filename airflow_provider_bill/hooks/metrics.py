"""Counts what happens with BILL's sessions through Airflow's own metrics; ``docs/metrics.md`` names them."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from importlib import import_module
from typing import Any

log = logging.getLogger(__name__)

PREFIX = "bill."


def count(metric: str, tags: Mapping[str, str]) -> None:
    """Count one event; a failing metrics server is no failure of the task.

    :param metric: its name without the prefix
    :param tags: sent where Airflow's metrics have tags
    """
    try:
        _stats().incr(f"{PREFIX}{metric}", tags=dict(tags))
    except Exception as error:
        log.debug("%s%s could not be counted: %s", PREFIX, metric, type(error).__name__)


def _stats() -> Any:
    try:
        stats: Any = import_module("airflow.sdk.observability.stats")
    except ImportError:  # Airflow before 3.2
        stats = import_module("airflow.stats")
    return stats if hasattr(stats, "incr") else stats.Stats
