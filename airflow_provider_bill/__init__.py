"""Apache Airflow provider for BILL (bill.com): one session, shared by every task."""

__version__ = "0.1.0"
