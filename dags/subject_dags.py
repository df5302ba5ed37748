"""The `subjects` DAG: woken by the hub's one asset and by a timer, it rebuilds the files that new loads touched, a mapped task per bucket.

What is built is published in the lake by one pointer per kind, and then loaded into the online store, again a mapped task per bucket.

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
        """What to build and load: one work per kind."""
        return calls.plan_subjects()

    @task
    def shares(works: Any, *, due: bool) -> list[dict[str, Any]]:
        """A kind's work for each bucket."""
        return calls.shares(works, due=due)

    @task(map_index_template="{{ task.op_kwargs['share']['label'] }}")
    def build(share: Any) -> dict[str, Any]:
        """Build one bucket of one kind into the lake."""
        return calls.build_subjects(share)

    @task(trigger_rule="none_failed")
    def publish(works: Any, built: Any) -> None:
        """Name the parts of each kind in its next pointer."""
        calls.publish_subjects(works, list(built or ()))

    @task(map_index_template="{{ task.op_kwargs['share']['label'] }}", trigger_rule="none_failed")
    def load(share: Any) -> dict[str, Any]:
        """Load one share of one kind into the online store."""
        return calls.load_subjects(share)

    @task(outlets=[SUBJECTS], trigger_rule="none_failed")
    def finish(works: Any) -> list[dict[str, Any]]:
        """Say that the builds are in the store, once every share is."""
        return calls.finish_subjects(works)

    planned = plan()
    built = build.expand(share=shares.override(task_id="to_build")(planned, due=True))
    published = publish(planned, built)
    loaded = load.expand(share=shares.override(task_id="to_load")(planned, due=False))
    published >> loaded >> finish(planned)
