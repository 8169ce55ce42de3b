"""BILL as tasks of a DAG."""
