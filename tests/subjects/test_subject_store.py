"""The store finds files by pseudonym alone, refuses overtaken builds, and behaves alike on SQLite and PostgreSQL."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import servers

from ledger.database import Database, subject_tables
from ledger.subject_store import SubjectKey, SubjectStore
from schemas.errors import Superseded

AT = datetime(2026, 3, 1, tzinfo=UTC)
ANN = "990101199001010012"
KEY = SubjectKey("k1", b"k" * 32)


@pytest.fixture(params=["sqlite", "postgres"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SubjectStore]:
    if request.param == "sqlite":
        yield from _store(f"sqlite:///{tmp_path / 's.db'}")
        return
    with servers.database(request.getfixturevalue("postgres_url"), "subject_store") as url:
        yield from _store(url)


def _store(url: str) -> Iterator[SubjectStore]:
    db = Database(url, subject_tables)
    db.create()
    try:
        yield SubjectStore(db, KEY)
    finally:
        db.dispose()


def body(name: str) -> bytes:
    return json.dumps({"id": ANN, "name": name}, ensure_ascii=False).encode()


def test_a_file_comes_back_as_it_was_put_with_its_build_and_sources(store: SubjectStore) -> None:
    build = store.begin("person", {"residents": 3}, AT)
    store.put_many("person", build, [(ANN, body("甲")), ("B", body("乙"))], AT)
    found = store.get("person", ANN)
    assert found is not None
    assert (found.body, found.built_at, found.build, found.sources) == (body("甲"), AT, 1, {"residents": 3})
    assert found.pseudonym == store.pseudonym("person", ANN)
    assert store.get("enterprise", ANN) is None
    assert store.get("person", "C") is None
    assert (store.count("person"), store.count("enterprise")) == (2, 0)


def test_putting_again_replaces_and_the_etag_changes_with_the_content_alone(store: SubjectStore) -> None:
    etags = []
    for name in ("甲", "甲", "乙"):
        store.put_many("person", store.begin("person", {}, AT), [(ANN, body(name))], AT)
        found = store.get("person", ANN)
        assert found is not None
        etags.append(found.etag)
    assert etags[0] == etags[1] != etags[2]
    assert store.count("person") == 1


def test_deleting_and_sweeping_count_what_was_there(store: SubjectStore) -> None:
    first = store.begin("person", {}, AT)
    many = [(str(i), body("甲")) for i in range(1200)]
    store.put_many("person", first, many, AT)
    assert store.delete_many("person", first, [str(i) for i in range(700)] + ["none"]) == 700
    second = store.begin("person", {}, AT)
    store.put_many("person", second, many[1000:1100], AT)
    assert store.sweep("person", second) == 400
    assert store.count("person") == 100


def test_an_overtaken_build_can_neither_put_nor_delete_nor_sweep(store: SubjectStore) -> None:
    old = store.begin("person", {}, AT)
    store.put_many("person", old, [(ANN, body("甲"))], AT)
    store.begin("enterprise", {}, AT)
    store.put_many("person", old, [], AT)
    new = store.begin("person", {}, AT)
    for write in (
        lambda: store.put_many("person", old, [(ANN, body("乙"))], AT),
        lambda: store.delete_many("person", old, [ANN]),
        lambda: store.sweep("person", old),
        lambda: store.put_many("person", new + 1, [], AT),
    ):
        with pytest.raises(Superseded, match="void"):
            write()
    found = store.get("person", ANN)
    assert found is not None
    assert found.body == body("甲")


def test_the_store_is_keyed_by_the_keyed_digest_and_its_index_holds_no_identifier(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    db = Database(f"sqlite:///{path}", subject_tables)
    db.create()
    store = SubjectStore(db, KEY)
    people = [f"9901011990010{i:05d}" for i in range(300)]
    store.put_many("person", store.begin("person", {"residents": 1}, AT), [(p, body("甲")) for p in people], AT)
    with db.read() as connection:
        rows = connection.exec_driver_sql("SELECT subject_key, key_id, etag FROM subject_files").all()
    assert {key for key, _, _ in rows} == {KEY.pseudonym("person", p) for p in people}
    assert {key_id for _, key_id, _ in rows} == {"k1"}
    db.dispose()
    files = b"".join(f.read_bytes() for f in tmp_path.iterdir())
    assert not [p for p in people if p.encode() in files]


def test_another_key_finds_nothing_and_kinds_do_not_meet() -> None:
    other = SubjectKey("k2", b"o" * 32)
    assert other.pseudonym("person", ANN) != KEY.pseudonym("person", ANN) != KEY.pseudonym("enterprise", ANN)
    assert other.etag(b"x") != KEY.etag(b"x")


def test_a_short_key_is_refused_and_neither_key_nor_body_shows_in_a_repr(store: SubjectStore) -> None:
    with pytest.raises(ValueError, match="shorter than 32 bytes"):
        SubjectKey("k1", b"short")
    store.put_many("person", store.begin("person", {}, AT), [(ANN, body("甲"))], AT)
    assert "kkk" not in repr(KEY)
    assert ANN not in repr(store.get("person", ANN))
