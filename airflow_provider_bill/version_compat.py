"""Which Airflow this is, for the few places where versions differ."""

from __future__ import annotations

from airflow import __version__
from packaging.version import Version

_VERSION = Version(__version__).release

AIRFLOW_V_3_0_PLUS = _VERSION >= (3, 0)
AIRFLOW_V_3_1_PLUS = _VERSION >= (3, 1)
AIRFLOW_V_3_3_PLUS = _VERSION >= (3, 3)
