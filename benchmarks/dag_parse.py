"""How long 2,000 contracts take to parse beside Airflow's own import, and one DAG for a running task: `python benchmarks/dag_parse.py`."""

import dataclasses
import json
import os
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

COUNT = 2000
ROOT = Path(__file__).parents[1]


def main() -> None:
    home = Path(tempfile.mkdtemp())
    os.environ |= {"AIRFLOW_HOME": str(home / "airflow"), "HUB_HOME": str(home)}
    from hub.registration.registry import entry
    from schemas import odcs

    contract = odcs.load(ROOT / "examples" / "demo_city" / "contracts" / "residents.odcs.yaml")
    index = {f"d{i}": entry(dataclasses.replace(contract, dataset=f"d{i}"), "Asia/Shanghai") for i in range(COUNT)}
    (home / "index.json").write_text(json.dumps(index, ensure_ascii=False), encoding="utf-8")
    start = time.perf_counter()
    import airflow.sdk as sdk
    from airflow.sdk import DAG, Param, task  # noqa: F401 - lazy names, paid for here

    imported = time.perf_counter()
    import dags.dataset_dags as module

    parsed = time.perf_counter()
    sdk.get_parsing_context = module.get_parsing_context = lambda: SimpleNamespace(dag_id="dataset.d7")
    module.build()
    one = time.perf_counter()
    print(f"Airflow's import            {imported - start:6.2f} s")
    print(
        f"{COUNT} contracts              {parsed - imported:6.2f} s  ({(parsed - imported) / (imported - start):.2f} of the import)"
    )
    print(f"index and one DAG for a task{one - parsed:6.3f} s")


if __name__ == "__main__":
    main()
