"""The ground floor: BILL's protocol; knows nothing of Airflow."""
