"""Run the local BILL: ``python -m airflow_provider_bill.sandbox``."""

from airflow_provider_bill.sandbox.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
