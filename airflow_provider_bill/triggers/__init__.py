"""Waiting without a worker, where Airflow needs a trigger for it."""
