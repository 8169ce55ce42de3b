"""What Airflow loads by itself."""
