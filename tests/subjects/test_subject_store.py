"""The store finds files by keyed places alone, refuses overtaken builds and foreign keys, tells a thief nothing, on SQLite and PostgreSQL alike."""

import hmac
import json
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import servers
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import func, select

from ledger import subject_rotation
from ledger.carrying import carry_all
from ledger.database import Database, subject_tables
from ledger.subject_keys import KeySet, SubjectKeys
from ledger.subject_rows import files
from ledger.subject_store import StoredFile, SubjectStore
from schemas.errors import Stop, Superseded

AT = datetime(2026, 3, 1, tzinfo=UTC)
ANN, BOB, OLD = "990101199001010019", "990101199001010035", "990101900101001"
LAYOUT = {"classes": ["L2", "L4"], "identity": "L4"}
OLD_KEYS = SubjectKeys.of([b"k" * 32], b"n" * 32)
BOTH_KEYS = SubjectKeys.of([b"j" * 32, b"k" * 32], b"n" * 32)
NEW_KEYS = SubjectKeys.of([b"j" * 32], b"n" * 32)


@pytest.fixture(params=["sqlite", "postgres"])
def db(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    if request.param == "sqlite":
        yield from _db(f"sqlite:///{tmp_path / 's.db'}")
        return
    with servers.database(request.getfixturevalue("postgres_url"), "subject_store") as url:
        yield from _db(url)


def _db(url: str) -> Iterator[Database]:
    db = Database(url, subject_tables)
    db.create()
    try:
        yield db
    finally:
        db.dispose()


@pytest.fixture
def store(db: Database) -> SubjectStore:
    return SubjectStore(db, OLD_KEYS)


def begin(store: SubjectStore, build: int, kind: str = "person") -> None:
    store.begin(kind, build, {"residents": 3}, LAYOUT, {("residents", 3): {"run": "r3"}}, AT)


def packed(keys: KeySet, identifier: str, name: str, former: tuple[str, ...] = ()) -> tuple[Any, ...]:
    whose = json.dumps([identifier, name], ensure_ascii=False)
    return (
        keys.lookup("person", identifier),
        identifier if former else None,
        list(former) or None,
        b"[3]",
        whose.encode(),
    )


def put(store: SubjectStore, build: int, *files: tuple[Any, ...]) -> None:
    store.write("person", build, store.sealed("person", build, LAYOUT["classes"], files))


def text(found: StoredFile | None) -> str:
    assert found is not None
    return found.texts["L4"].decode()


def named(_layout: Any, texts: Any) -> str:
    return str(json.loads(texts["L4"])[0])


def test_a_file_comes_back_as_it_was_put_with_what_its_build_and_loads_say(store: SubjectStore) -> None:
    begin(store, 1)
    put(store, 1, packed(store.keys.current, ANN, "甲"), packed(store.keys.current, "B", "乙"))
    found = store.get("person", ANN)
    assert found is not None
    assert (dict(found.texts), found.build) == (
        {"L2": b"[3]", "L4": json.dumps([ANN, "甲"], ensure_ascii=False).encode()},
        1,
    )
    assert (found.about.sources, found.facts["residents", 3]) == ({"residents": 3}, {"run": "r3"})
    assert found.named(ANN) == store.pseudonym("person", ANN) != found.named(BOB)
    assert store.get("enterprise", ANN) is None
    assert store.get("person", "C") is None
    assert (store.count("person"), store.count("enterprise")) == (2, 0)
    assert (store.loaded("person"), store.begun("person")) == (0, 1)
    store.finish("person", 1)
    assert store.loaded("person") == 1


@pytest.mark.parametrize("db", ["sqlite"], indirect=True)
def test_a_load_that_is_done_is_in_the_file_alone_and_not_in_its_log(db: Database, tmp_path: Path) -> None:
    def in_file() -> bool:
        return packed(OLD_KEYS.current, ANN, "")[0] in (tmp_path / "s.db").read_bytes()

    store = SubjectStore(db, OLD_KEYS)
    begin(store, 1)
    put(store, 1, packed(OLD_KEYS.current, ANN, "甲"))
    assert not in_file()
    store.finish("person", 1)
    assert in_file()
    assert text(store.get("person", ANN)) == json.dumps([ANN, "甲"], ensure_ascii=False)


@pytest.mark.parametrize("db", ["sqlite"], indirect=True)
def test_a_load_is_done_although_somebody_writes_and_reads_when_it_would_be_carried_over(db: Database) -> None:
    store = SubjectStore(db, OLD_KEYS)
    begin(store, 1)
    put(store, 1, packed(OLD_KEYS.current, ANN, "甲"))
    with db.read() as reading:
        assert reading.execute(select(func.count()).select_from(files)).scalar() == 1
        put(store, 1, packed(OLD_KEYS.current, BOB, "乙"))
        store.finish("person", 1)
        with db.write():
            carry_all(db)
        assert reading.execute(select(func.count()).select_from(files)).scalar() == 1
    assert store.loaded("person") == 1
    assert store.count("person") == 2


def test_putting_again_replaces(store: SubjectStore) -> None:
    found = []
    for build, name in enumerate(("甲", "甲", "乙"), 1):
        begin(store, build)
        put(store, build, packed(store.keys.current, ANN, name))
        found.append(store.get("person", ANN).texts)  # type: ignore[union-attr]
    assert found[0] == found[1] != found[2]
    assert store.count("person") == 1


def test_a_merged_identifier_leads_to_the_surviving_file_until_it_has_its_own_again(store: SubjectStore) -> None:
    keys = store.keys.current
    begin(store, 1)
    put(store, 1, packed(keys, OLD, "甲"))
    put(store, 1, packed(keys, ANN, "甲", (OLD,)))
    assert text(store.get("person", OLD)) == text(store.get("person", ANN))
    assert store.count("person") == 1
    put(store, 1, packed(keys, OLD, "甲"), packed(keys, ANN, "乙"))
    assert text(store.get("person", OLD)) != text(store.get("person", ANN))
    put(store, 1, packed(keys, ANN, "甲", (OLD,)))
    store.delete_many("person", 1, [ANN])
    assert store.get("person", OLD) is None


def test_several_files_are_had_at_once_as_they_are_had_one_by_one(store: SubjectStore) -> None:
    begin(store, 1)
    keys = store.keys.current
    put(store, 1, packed(keys, ANN, "Ann", (OLD,)), packed(keys, BOB, "Bob"))
    asked = [BOB, "nobody", ANN, BOB, OLD]
    assert [f and f.texts for f in store.get_many("person", asked)] == [
        f and f.texts for f in map(partial(store.get, "person"), asked)
    ]
    assert store.get_many("enterprise", [ANN]) == [None]


def test_deleting_and_sweeping_count_what_was_there(store: SubjectStore) -> None:
    many = [packed(store.keys.current, str(i), "甲") for i in range(2500)]
    begin(store, 1)
    put(store, 1, *many)
    assert store.delete_many("person", 1, [str(i) for i in range(700)] + ["none"]) == 700
    begin(store, 2)
    put(store, 2, *many[1000:1100])
    assert store.sweep("person", 2) == 1700
    assert store.count("person") == 100
    assert store.erase("person", ["1000", "1001", "1"]) == 2


def test_an_overtaken_build_can_neither_put_nor_delete_nor_sweep_nor_finish(store: SubjectStore) -> None:
    begin(store, 1)
    put(store, 1, packed(store.keys.current, ANN, "甲"))
    begin(store, 1, "enterprise")
    begin(store, 2)
    for write in (
        lambda: begin(store, 1),
        lambda: put(store, 1, packed(store.keys.current, ANN, "乙")),
        lambda: store.delete_many("person", 1, [ANN]),
        lambda: store.sweep("person", 1),
        lambda: store.finish("person", 1),
        lambda: put(store, 3),
    ):
        with pytest.raises(Superseded, match="void"):
            write()
    assert "甲" in text(store.get("person", ANN))


def test_a_row_moved_to_another_place_or_damaged_does_not_open(store: SubjectStore, db: Database) -> None:
    begin(store, 1)
    put(store, 1, packed(store.keys.current, ANN, "甲"), packed(store.keys.current, BOB, "乙"))
    ours = [store.keys.current.lookup("person", one) for one in (ANN, BOB)]
    mark = "?" if db.is_sqlite else "%s"
    moved = f"UPDATE subject_files SET body = (SELECT body FROM subject_files WHERE subject_key = {mark}) WHERE subject_key = {mark}"
    with db.write() as connection:
        connection.exec_driver_sql(moved, (ours[0], ours[1]))
    assert "甲" in text(store.get("person", ANN))
    with pytest.raises(Stop, match="does not open"):
        store.get("person", BOB)


def test_rotated_keys_open_what_older_ones_wrote_and_those_then_open_nothing(store: SubjectStore, db: Database) -> None:
    begin(store, 1)
    put(
        store,
        1,
        *(packed(store.keys.current, str(i), f"某{i}") for i in range(3000)),
        packed(store.keys.current, ANN, "甲", (OLD,)),
    )
    before = {bytes(row[0]) for row in _rows(db)}
    between = SubjectStore(db, BOTH_KEYS)
    assert text(between.get("person", OLD)) == text(store.get("person", ANN)), "both keys are good while it lasts"
    assert subject_rotation.rotate(db, BOTH_KEYS, named) == 3002
    assert subject_rotation.rotate(db, BOTH_KEYS, named) == 0
    after = SubjectStore(db, NEW_KEYS)
    assert [text(after.get("person", one)) for one in (ANN, OLD)] == [json.dumps([ANN, "甲"], ensure_ascii=False)] * 2
    assert "某2999" in text(after.get("person", "2999"))
    assert not before & {bytes(row[0]) for row in _rows(db)}, "places hang on the key as well"
    assert (after.count("person"), after.pseudonym("person", ANN)) == (3001, store.pseudonym("person", ANN))
    with pytest.raises(Superseded, match="rotated"):
        put(store, 1, packed(OLD_KEYS.current, ANN, "乙"))
    with pytest.raises(Superseded, match="other keys"):
        begin(store, 2)


def test_what_was_loaded_under_the_new_keys_during_a_rotation_stays(store: SubjectStore, db: Database) -> None:
    begin(store, 1)
    put(store, 1, packed(store.keys.current, ANN, "旧"), packed(store.keys.current, BOB, "去"))
    with db.write() as connection:
        connection.exec_driver_sql("DELETE FROM subject_keys")
    between = SubjectStore(db, BOTH_KEYS)
    begin(between, 2)
    put(between, 2, packed(BOTH_KEYS.current, ANN, "新"))
    assert between.delete_many("person", 2, [BOB]) == 1
    assert "新" in text(between.get("person", ANN)), "of two rows the one under the newer key"
    assert subject_rotation.rotate(db, BOTH_KEYS, named) == 1
    assert "新" in text(between.get("person", ANN))
    assert between.count("person") == 1


def test_a_process_that_missed_a_rotation_takes_the_new_keys_by_itself(db: Database) -> None:
    ring = [OLD_KEYS]
    reader = SubjectStore(db, OLD_KEYS, lambda: ring[0])
    begin(reader, 1)
    put(reader, 1, packed(OLD_KEYS.current, ANN, "甲"))
    assert reader.get("person", BOB) is None
    subject_rotation.rotate(db, BOTH_KEYS, named)
    with pytest.raises(Stop, match="other keys"):
        reader.get("person", ANN)
    ring[0] = NEW_KEYS
    assert "甲" in text(reader.get("person", ANN))


def test_each_class_is_encrypted_under_a_256_bit_key_of_its_own_and_never_twice_alike(
    store: SubjectStore, db: Database
) -> None:
    keys = store.keys.current
    place = keys.lookup("person", ANN)
    bodies = []
    for build in (1, 2):
        begin(store, build)
        put(store, build, packed(keys, ANN, "甲"))
        with db.read() as connection:
            [(body,)] = connection.exec_driver_sql("SELECT body FROM subject_files").all()
        bodies.append(bytes(body))
    assert len({*bodies}) == 2, "one text is never one ciphertext"
    found, at = {}, 1
    for name in LAYOUT["classes"]:
        end = at + 16 + int.from_bytes(bodies[0][at : at + 4], "big")
        found[name] = (bodies[0][at + 4 : at + 16], bodies[0][at + 16 : end])
        at = end
    assert at == len(bodies[0])
    for name, (nonce, secret) in found.items():
        opens = {}
        for other in ("L2", "L3", "L4"):
            key = hmac.digest(OLD_KEYS.current.secret, f"subject store\0class {other}".encode(), "sha256")
            assert len(key) == 32
            with suppress(InvalidTag):
                opens[other] = AESGCM(key).decrypt(nonce, secret, place + name.encode())
        assert opens.keys() == {name}


def test_a_copied_store_tells_nothing_of_who_is_in_it(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    for db in _db(f"sqlite:///{path}"):
        store = SubjectStore(db, OLD_KEYS)
        people = [f"9901011990010{i:05d}" for i in range(300)]
        begin(store, 1)
        put(store, 1, *(packed(store.keys.current, p, f"姓名{p[-5:]}于1990-01-01", (f"former{p}",)) for p in people))
        assert store.count("person") == 300
    files = b"".join(f.read_bytes() for f in tmp_path.iterdir())
    told = [*people, "former", "姓名", "1990-01-01", store.pseudonym("person", people[0])]
    assert [t for t in told if t.encode() in files or t.encode().hex().encode() in files] == []


def test_places_hang_on_key_and_kind_and_are_what_plain_sha256_makes_of_the_pads() -> None:
    import hashlib

    one, other = OLD_KEYS.current, NEW_KEYS.current
    assert (
        len(
            {
                one.lookup("person", ANN),
                other.lookup("person", ANN),
                one.lookup("enterprise", ANN),
                one.lookup("person", BOB),
            }
        )
        == 4
    )
    inner, outer = one.pads("person")
    digest = hashlib.sha256(outer + hashlib.sha256(inner + ANN.encode()).digest()).digest()
    assert digest[:16] == one.lookup("person", ANN)


def test_a_short_key_is_refused_and_neither_key_nor_body_shows_in_a_repr(store: SubjectStore) -> None:
    with pytest.raises(ValueError, match="shorter than 32 bytes"):
        SubjectKeys.of([b"short"], b"n" * 32)
    begin(store, 1)
    put(store, 1, packed(store.keys.current, ANN, "甲"))
    assert "kkk" not in repr(OLD_KEYS)
    assert ANN not in repr(store.get("person", ANN))


def _rows(db: Database) -> Any:
    with db.read() as connection:
        return connection.exec_driver_sql("SELECT subject_key FROM subject_files").all()
