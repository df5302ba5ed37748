"""The `subjects` DAG: woken by the hub's one asset and by a timer, it rebuilds the files that new loads touched, a mapped task per bucket.

The timer matters: a pull from the command line, or a kill right after a publication, emits no asset event. `catalog` follows it.
"""

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, Asset, AssetOrTimeSchedule, CronTriggerTimetable, task

from dags import calls

PUBLISHED = Asset("hub://published")
SUBJECTS = Asset("hub://subjects")

with DAG(
    dag_id="subjects",
    description="一人一档、一企一档: one file per person, enterprise, …",
    schedule=AssetOrTimeSchedule(
        timetable=CronTriggerTimetable("*/15 * * * *", timezone="UTC", run_immediately=timedelta(0)), assets=[PUBLISHED]
    ),
    catchup=False,
    max_active_runs=1,
    tags=["hub"],
    doc_md=__doc__,
    default_args={"retries": 2, "retry_delay": timedelta(seconds=15)},
):

    @task
    def plan() -> list[dict[str, Any]]:
        """What to build: a kind's work for each bucket."""
        return calls.plan_subjects()

    @task(map_index_template="{{ task.op_kwargs['share']['label'] }}")
    def build(share: Any) -> dict[str, Any]:
        """Build one bucket of one kind."""
        return calls.build_subjects(share)

    @task(outlets=[SUBJECTS], trigger_rule="none_failed")
    def finish(shares: Any) -> list[dict[str, Any]]:
        """Mark the builds done, once every bucket is in the store."""
        return calls.finish_subjects(shares)

    planned = plan()
    build.expand(share=planned) >> finish(planned)
