"""The command line: ``airflow bill`` where Airflow takes commands of a provider, and ``airflow-bill`` everywhere."""
