"""`catalog` follows the subjects; `upkeep` runs nightly: bases, landings, late datasets. `events` sends what waits in the outbox.

`reconcile` compares datasets with their sources, one after the other, as often as their contracts ask for it. `references` judges references again
when datasets that others refer to have published.
"""

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, Asset, AssetOrTimeSchedule, CronTriggerTimetable, task

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

with DAG(
    dag_id="events",
    description="事件投递、异议逾期",
    schedule=CronTriggerTimetable("*/5 * * * *", timezone="UTC", run_immediately=timedelta(0)),
    catchup=False,
    max_active_runs=1,
    tags=["hub"],
    doc_md=__doc__,
):

    @task
    def send() -> dict[str, Any]:
        """Settle disputes, find overdue ones, send messages that are due."""
        return calls.remind()

    send()

with DAG(
    dag_id="reconcile",
    description="与来源比对: what cursors cannot find",
    schedule=CronTriggerTimetable("0 18 * * *", timezone="UTC", run_immediately=timedelta(0)),
    catchup=False,
    max_active_runs=1,
    tags=["hub"],
    doc_md=__doc__,
    default_args={"retries": 2, "retry_delay": timedelta(minutes=5)},
):

    @task
    def due() -> list[str]:
        """The datasets whose contract asks for it now."""
        return calls.due_reconciliations()

    @task(max_active_tis_per_dag=1)
    def compare(dataset: Any, run_id: Any = None) -> dict[str, Any]:
        """Compare one dataset with its source; findings open an incident."""
        return calls.reconcile_dataset(dataset, run_id)

    compare.expand(dataset=due())

with DAG(
    dag_id="references",
    description="引用复核: rows that only lacked a reference, rows whose reference is gone",
    schedule=AssetOrTimeSchedule(
        timetable=CronTriggerTimetable("10 * * * *", timezone="UTC", run_immediately=timedelta(0)),
        assets=[Asset("hub://published")],
    ),
    catchup=False,
    max_active_runs=1,
    tags=["hub"],
    doc_md=__doc__,
    default_args={"retries": 2, "retry_delay": timedelta(minutes=1)},
):

    @task
    def moved() -> list[str]:
        """The datasets whose referenced datasets have published since."""
        return calls.moved_references()

    @task(max_active_tis_per_dag=1)
    def seek(dataset: Any, run_id: Any = None) -> dict[str, Any]:
        """Judge one dataset's references again."""
        return calls.seek_references(dataset, run_id)

    seek.expand(dataset=moved())
