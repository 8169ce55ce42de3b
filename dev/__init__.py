"""Tools of this repository: they run a real Airflow and a local BILL for demos and tests. Not shipped."""
