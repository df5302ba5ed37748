"""`catalog` follows the subjects; `upkeep` runs nightly: bases, landings, late datasets, messages that wait."""

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, Asset, CronTriggerTimetable, task

from dags import calls

with DAG(
    dag_id="catalog",
    description="资源目录: entries with what the runs measured",
    schedule=[Asset("hub://subjects")],
    catchup=False,
    max_active_runs=1,
    tags=["hub"],
    doc_md=__doc__,
    default_args={"retries": 2, "retry_delay": timedelta(seconds=15)},
):

    @task
    def refresh() -> dict[str, Any]:
        """Write the catalog's entries as JSON, for those who harvest files."""
        return calls.refresh_catalog()

    refresh()

with DAG(
    dag_id="upkeep",
    description="台账补记、基线压缩、落地清理、逾期提醒",
    schedule=CronTriggerTimetable("30 19 * * *", timezone="UTC", run_immediately=timedelta(0)),
    catchup=False,
    max_active_runs=1,
    tags=["hub"],
    doc_md=__doc__,
):

    @task
    def upkeep() -> dict[str, Any]:
        """One round of upkeep."""
        return calls.upkeep()

    upkeep()
