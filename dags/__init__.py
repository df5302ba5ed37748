"""Airflow: one DAG per contract, plus subjects, catalog and upkeep. A task's body is one call into `hub`.

Enters: the compiled index, written when contracts are applied. Leaves: DAGs. Parsing touches no database, no YAML and no heavy library;
a running task builds only its own DAG. Airflow's connections are resolved here and passed down; nothing else knows Airflow.
"""
