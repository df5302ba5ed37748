"""One DAG per applied contract: read → judge → publish, in the department's pool.

The dataset is an asset whose event carries the load's counts; every publication also touches the hub's one asset, which wakes `subjects`.
Parameters: `full` (forget the watermark), `dry_run` (judge and count, publish nothing), `accept_deletions` (let a held load through),
`now_because` (a reason for pulling outside the department's hours; without one the task waits until they begin).
"""

from copy import copy
from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, Asset, CronTriggerTimetable, Metadata, Param, get_parsing_context, task
from airflow.sdk.definitions.param import ParamsDict

from dags import calls

HUB_ASSET = Asset("hub://published")
PARAMS = {
    "full": Param(
        False, type="boolean", title="全量 full refresh", description="read everything, whatever the watermark"
    ),
    "dry_run": Param(False, type="boolean", title="试运行 dry run", description="read and judge, publish nothing"),
    "accept_deletions": Param(
        False, type="boolean", title="接受删除 accept deletions", description="publish even if many rows vanished"
    ),
    "now_because": Param(
        "", type="string", title="立即执行的理由 reason for pulling now", description="outside the department's hours"
    ),
}


def dataset_dag(dataset: str, entry: dict[str, Any]) -> DAG:
    """The DAG of one dataset, from its line in the index."""
    asset = Asset(f"hub://dataset/{dataset}")
    with DAG(
        dag_id=f"dataset.{dataset}",
        dag_display_name=f"{entry['title']} · {dataset}",
        description=f"{entry['provider']}: {entry['title']}",
        schedule=_schedule(entry),
        catchup=False,
        max_active_runs=1,
        tags=entry["tags"],
        doc_md=entry["doc"],
        default_args={
            "pool": entry["pool"],
            "owner": entry["provider"],
            "retries": 2,
            "retry_delay": timedelta(seconds=20),
            "retry_exponential_backoff": 2.0,
            "max_retry_delay": timedelta(minutes=10),
        },
    ) as dag:

        @task
        def read(params: Any = None, run_id: Any = None) -> str:
            """Land what the source has to say; the hub's run id is handed on."""
            return calls.read(
                dataset, run_id, full=params["full"], dry_run=params["dry_run"], now_because=params["now_because"]
            )

        @task
        def judge(run: Any) -> str:
            """Standardise and judge the landing."""
            return calls.judge(run)

        @task(outlets=[asset, HUB_ASSET])
        def publish(run: Any, params: Any = None) -> Any:
            """Append what changed, commit it, tell the ledger."""
            counts = calls.publish(run, dry_run=params["dry_run"], accept_deletions=params["accept_deletions"])
            yield Metadata(asset, extra=counts)
            yield Metadata(HUB_ASSET, extra={"dataset": dataset})

        publish(judge(read()))
    # After the tasks and past the validator: Airflow would copy and validate the parameters for each of 2,000 DAGs' tasks.
    object.__setattr__(dag, "params", ParamsDict({name: copy(param) for name, param in PARAMS.items()}))
    return dag


def _schedule(entry: dict[str, Any]) -> CronTriggerTimetable | None:
    """The promised cycle in the city's time. A new dataset waits for its next hour: a backlog run would come before its references."""
    cron = entry["schedule"]
    return CronTriggerTimetable(cron, timezone=entry["timezone"], run_immediately=timedelta(0)) if cron else None


def build() -> None:
    """Make the DAGs this process needs: all of them when parsing, one when a task runs."""
    wanted = get_parsing_context().dag_id
    for dataset, entry in calls.index().items():
        if wanted in (None, f"dataset.{dataset}"):
            globals()[f"dataset_{dataset}"] = dataset_dag(dataset, entry)


build()
