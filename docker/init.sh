#!/bin/sh
# Once before everything else, and harmless when done again: databases, Airflow's tables, contracts, pools, the admin's password.
set -eu
python docker/databases.py
airflow db migrate
hub contract apply /contracts
airflow pools import "$HUB_HOME/pools.json"
umask 077
python -c 'import json, os; print(json.dumps({"admin": os.environ["AIRFLOW_ADMIN_PASSWORD"]}))' >"$AIRFLOW_HOME/passwords.json"
