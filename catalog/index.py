"""The index of the catalog: a small SQLite file beside the hub that follows the ledger and may be deleted at any time.

`words` is the full text (`catalog.terms`), `entry` one row per resource with its card, `item` its columns with their data elements,
`refers` what its rules look into, `latin` the words that a misspelt one may have meant. Writers are processes that saw the ledger
change; readers see whole transactions.
"""

import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from catalog import terms
from catalog.cards import LISTED, Card, card
from catalog.guide import FORMATS, SHARE_TYPES
from catalog.measured import Measured
from schemas.contract import Contract
from schemas.elements import ELEMENTS

SHAPE = 2
"""Counts up when the tables or the making of words change: an index of another shape is made anew."""
_MANY = 1500
_TABLES = """
DROP TABLE IF EXISTS state; DROP TABLE IF EXISTS entry; DROP TABLE IF EXISTS item; DROP TABLE IF EXISTS refers;
DROP TABLE IF EXISTS words; DROP TABLE IF EXISTS latin;
CREATE TABLE state (serial INTEGER NOT NULL);
INSERT INTO state VALUES (0);
CREATE TABLE entry (id INTEGER PRIMARY KEY, dataset TEXT NOT NULL UNIQUE, code TEXT NOT NULL, number INTEGER NOT NULL,
  serial INTEGER NOT NULL, listed INTEGER NOT NULL, changed_at TEXT NOT NULL, card TEXT NOT NULL);
CREATE INDEX entry_serial ON entry (serial);
CREATE INDEX entry_code ON entry (listed, code);
CREATE TABLE item (entry INTEGER NOT NULL, name TEXT NOT NULL, title TEXT NOT NULL, element TEXT NOT NULL);
CREATE INDEX item_entry ON item (entry);
CREATE INDEX item_element ON item (element, entry);
CREATE TABLE refers (entry INTEGER NOT NULL, dataset TEXT NOT NULL);
CREATE INDEX refers_entry ON refers (entry);
CREATE INDEX refers_dataset ON refers (dataset);
CREATE VIRTUAL TABLE words USING fts5(name, who, items, about, parts, within, tokenize="unicode61 remove_diacritics 0", prefix="2 3");
CREATE TABLE latin (word TEXT PRIMARY KEY) WITHOUT ROWID;
"""


@dataclass(frozen=True)
class Facts:
    """One dataset as the index takes it: its contract and that version's number, what was measured, how many use it."""

    contract: Contract
    number: int
    measured: Measured
    used: int
    changed_at: str


@dataclass(frozen=True)
class Row:
    """One entry as ranking and facets need it; `id` counts up from 1 without gaps."""

    id: int
    serial: int
    listed: bool
    card: Card


class Index:
    """One index file; every thread has a connection of its own."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._local = threading.local()
        with self.writing() as connection:
            if connection.execute("PRAGMA user_version").fetchone()[0] != SHAPE:
                _make_anew(connection)

    @property
    def connection(self) -> sqlite3.Connection:
        """This thread's connection."""
        if not hasattr(self._local, "connection"):
            self._local.connection = _connect(self.path)
        found: sqlite3.Connection = self._local.connection
        return found

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A write transaction; that of another process ends first."""
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            yield self.connection
        except BaseException:
            self.connection.execute("ROLLBACK")
            raise
        self.connection.execute("COMMIT")

    def clear(self) -> None:
        """Forget everything; the next look at the ledger fills the index again."""
        with self.writing() as connection:
            _make_anew(connection)

    def serial(self) -> int:
        """The ledger's serial number that the index has followed."""
        return int(self.connection.execute("SELECT serial FROM state").fetchone()[0])

    def follow(self, changed: Iterable[tuple[int, Facts]], serial: int) -> None:
        """Take in what changed, each with the serial number of its change, up to `serial`; inside `writing`."""
        for number, facts in changed:
            self._put(number, facts)
        self.connection.execute("UPDATE state SET serial = ?", (serial,))

    def rows(self, since: int) -> Iterator[Row]:
        """The entries that changed after serial `since`."""
        found = self.connection.execute(
            "SELECT id, serial, listed, card FROM entry WHERE serial > ? ORDER BY id", (since,)
        )
        return (Row(id_, serial, bool(listed), Card.load_json(text)) for id_, serial, listed, text in found)

    def elements(self) -> list[tuple[int, str]]:
        """Every (entry, data element)."""
        return self.connection.execute("SELECT DISTINCT entry, element FROM item WHERE element <> ''").fetchall()

    def match(self, expression: str) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
        """Entries that an FTS5 expression finds, and the weight of each: more is better.

        Of a word that very many hold its rarity says nothing and its weighing costs most: those are weighed by where they have it.
        """
        ids = self._ids(expression)
        if len(ids) > _MANY:
            return ids, np.where(np.isin(ids, self._ids(f"{{name parts}}: ({expression})")), 3.0, 1.0)
        weighed = (
            "SELECT rowid, -bm25(words, 10.0, 4.0, 3.0, 1.0, 6.0, 1.0) FROM words WHERE words MATCH ? ORDER BY rowid"
        )
        found = self.connection.execute(weighed, (expression,)).fetchall()
        return ids, np.array([weight for _, weight in found], dtype=np.float64)

    def _ids(self, expression: str) -> npt.NDArray[np.int64]:
        """What an expression finds, as one text: ten thousand rows fetched one by one would cost most of a search."""
        query = "SELECT group_concat(rowid) FROM (SELECT rowid FROM words WHERE words MATCH ? ORDER BY rowid)"
        (found,) = self.connection.execute(query, (expression,)).fetchone()
        return np.fromstring(found or "", dtype=np.int64, sep=",")

    def vocabulary(self) -> list[str]:
        """The Latin words, and the pinyin, of names and items."""
        return [word for (word,) in self.connection.execute("SELECT word FROM latin")]

    def named(self, name: str) -> str | None:
        """The dataset of this name or resource code, listed or not."""
        query = "SELECT dataset FROM entry WHERE dataset = ?1 UNION ALL SELECT dataset FROM entry WHERE listed IN (0, 1) AND code = ?1"
        found = self.connection.execute(query, (name,)).fetchone()
        return str(found[0]) if found else None

    def related(self, dataset: str) -> tuple[Card, ...]:
        """The listed resources that this one refers to, and those that refer to it, by code."""
        query = (
            "SELECT card FROM entry WHERE listed AND dataset <> ?1 AND (dataset IN (SELECT r.dataset FROM refers r JOIN entry e ON"
            " e.id = r.entry WHERE e.dataset = ?1) OR id IN (SELECT entry FROM refers WHERE dataset = ?1)) ORDER BY code"
        )
        return tuple(Card.load_json(text) for (text,) in self.connection.execute(query, (dataset,)))

    def references(self, datasets: Sequence[str]) -> list[tuple[str, str]]:
        """Pairs of one of these datasets and one that its rules look into."""
        marks = ",".join("?" * len(datasets))
        query = f"SELECT e.dataset, r.dataset FROM refers r JOIN entry e ON e.id = r.entry WHERE e.dataset IN ({marks})"
        return self.connection.execute(query, datasets).fetchall()

    def holding(self, element: str) -> tuple[tuple[Card, str, str], ...]:
        """The listed resources that have a data element, each with the item's name and title, by code."""
        query = (
            "SELECT e.card, i.name, i.title FROM item i JOIN entry e ON e.id = i.entry AND e.listed WHERE i.element = ?"
            " ORDER BY e.code"
        )
        found = self.connection.execute(query, (element,))
        return tuple((Card.load_json(text), name, title) for text, name, title in found)

    def page(self, after: str, size: int) -> list[tuple[str, str]]:
        """Dataset and code of the listed resources whose code comes after `after`, in that order."""
        query = "SELECT dataset, code FROM entry WHERE listed = 1 AND code > ? ORDER BY code LIMIT ?"
        return self.connection.execute(query, (after, size)).fetchall()

    def totals(self) -> tuple[int, str]:
        """How many resources are listed, and when the newest of all entries changed (ISO, empty if there is none)."""
        found = self.connection.execute("SELECT coalesce(sum(listed), 0), coalesce(max(changed_at), '') FROM entry")
        count, changed = found.fetchone()
        return int(count), str(changed)

    def _put(self, serial: int, facts: Facts) -> None:
        made, execute = card(facts.contract, facts.measured, facts.used), self.connection.execute
        values = (made.code, facts.number, serial, made.state in LISTED, facts.changed_at, made.dump().decode())
        known = execute("SELECT id, number FROM entry WHERE dataset = ?", (made.dataset,)).fetchone()
        if known is None:
            columns = "dataset, code, number, serial, listed, changed_at, card"
            id_ = execute(
                f"INSERT INTO entry ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?)", (made.dataset, *values)
            ).lastrowid
        else:
            id_ = known[0]
            change = "code = ?, number = ?, serial = ?, listed = ?, changed_at = ?, card = ?"
            execute(f"UPDATE entry SET {change} WHERE id = ?", (*values, id_))
        if known is None or known[1] != facts.number:
            self._put_words(int(id_ or 0), facts.contract, made)

    def _put_words(self, id_: int, contract: Contract, made: Card) -> None:
        for table, column in (("item", "entry"), ("refers", "entry"), ("words", "rowid")):
            self.connection.execute(f"DELETE FROM {table} WHERE {column} = ?", (id_,))
        many = self.connection.executemany
        many(
            "INSERT INTO item VALUES (?, ?, ?, ?)", [(id_, c.name, c.title, c.element or "") for c in contract.columns]
        )
        many("INSERT INTO refers VALUES (?, ?)", [(id_, name) for name in contract.references])
        texts = _texts(contract, made)
        row = [terms.words(texts[part]) for part in ("name", "who", "items", "about")]
        within = terms.parts([contract.provider, *contract.tags, *(column.title for column in contract.columns)])
        self.connection.execute(
            "INSERT INTO words (rowid, name, who, items, about, parts, within) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (id_, *row, terms.parts(texts["name"]), within),
        )
        latin = terms.latin([*texts["name"], *texts["who"], *texts["items"]])
        many("INSERT OR IGNORE INTO latin VALUES (?)", [(word,) for word in latin])


def _texts(contract: Contract, made: Card) -> dict[str, list[str]]:
    """What can be found of a contract, by how much it tells of the resource."""
    items: list[str] = []
    for column in contract.columns:
        known = ELEMENTS.get(column.element or "")
        items += [column.title, column.name, *((known.id, known.zh, known.en) if known else ())]
    share, format_ = SHARE_TYPES.get(contract.share_type), FORMATS[made.format]
    about = [contract.purpose, contract.share_condition, contract.cycle, format_.zh, format_.en]
    about += [share.zh, share.en] if share else []
    return {
        "name": [contract.title, contract.title_en, contract.dataset, contract.resource_code],
        "who": [contract.provider, contract.provider_en, contract.provider_code, contract.domain, *contract.tags],
        "items": items,
        "about": [*about, *(column.description for column in contract.columns)],
    }


def _connect(path: Path) -> sqlite3.Connection:
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path, timeout=60, isolation_level=None, check_same_thread=False)
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "mmap_size=268435456"):
        connection.execute(f"PRAGMA {pragma}")
    return connection


def _make_anew(connection: sqlite3.Connection) -> None:
    for statement in _TABLES.split(";\n"):
        for part in statement.split("; "):
            if part.strip():
                connection.execute(part)
    connection.execute(f"PRAGMA user_version = {SHAPE}")
