"""Run by the peer's own interpreter: a feature repository of 20 text features and an online store filled with persons.

`feast_repo.py FOLDER sqlite|redis REDIS_PORT PERSONS FIRST STEP`
"""

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, ValueType
from feast.types import String

BATCH = 20_000


def main() -> None:
    folder, kind, port, persons, first, step = Path(sys.argv[1]), sys.argv[2], *map(int, sys.argv[3:])
    online = (
        f"type: redis\n  connection_string: 127.0.0.1:{port}"
        if kind == "redis"
        else f"type: sqlite\n  path: {folder}/online.db"
    )
    (folder / "feature_store.yaml").write_text(
        f"project: bench\nregistry: {folder}/registry.db\nprovider: local\nentity_key_serialization_version: 3\nonline_store:\n  {online}\n"
    )
    names, now = [f"f{i}" for i in range(20)], datetime.now(UTC)
    frame(names, 0, 1, first, step, now).to_parquet(folder / "person.parquet")
    source = FileSource(path=str(folder / "person.parquet"), timestamp_field="at")
    entity = Entity(name="person", join_keys=["person_id"], value_type=ValueType.STRING)
    view = FeatureView(
        name="person",
        entities=[entity],
        ttl=timedelta(days=9),
        schema=[Field(name=n, dtype=String) for n in names],
        source=source,
    )
    store = FeatureStore(repo_path=str(folder))
    store.apply([entity, view])
    for begin in range(0, persons, BATCH):
        store.write_to_online_store("person", frame(names, begin, min(begin + BATCH, persons), first, step, now))


def frame(names: list[str], begin: int, end: int, first: int, step: int, now: datetime) -> pd.DataFrame:
    """Persons `begin` to before `end`, one row each."""
    rows = {n: [f"某{n}{(i * 2654435761) % 9973}" for i in range(begin, end)] for n in names}
    return pd.DataFrame({"person_id": [str(first + i * step) for i in range(begin, end)], "at": now, **rows})


if __name__ == "__main__":
    main()
