"""What the pages of people call, as values that `hub` puts together. Every function decides itself what its actor may have."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from access.actors import Actor
from serving.services import Disputes, Returns

Row = dict[str, Any]


@dataclass(frozen=True)
class Home:
    """A department's home, for an actor of it.

    `datasets`: one row each: names, freshness, score, rows, bad rows, DAG. `bad`: its bad rows by dataset and rule. `clocks`: what is due
    when, overdue first. `returns`, `disputes`: what a client's routes call, for the actor's department; another's is NotFound.
    """

    datasets: Callable[[Actor], list[Row]]
    bad: Callable[[Actor], list[Row]]
    clocks: Callable[[Actor], list[Row]]
    returns: Callable[[Actor], Returns]
    disputes: Callable[[Actor], Disputes]


@dataclass(frozen=True)
class Office:
    """The data office's home.

    `overdue`: whatever is late anywhere. `coverage`: data elements with and without an authoritative source, departments with and without
    datasets. `ranking`: datasets by quality, the worst first. `demand`: what forms still ask citizens to type. `reviews`: proposals;
    `review`: one with its changes. `approve`, `send_back`: a proposal, by dataset, with a reason.
    """

    overdue: Callable[[Actor], list[Row]]
    coverage: Callable[[], Row]
    ranking: Callable[[], list[Row]]
    demand: Callable[[], list[Row]]
    reviews: Callable[[], list[Row]]
    review: Callable[[str], Row]
    approve: Callable[[Actor, str, str], None]
    send_back: Callable[[Actor, str, str], None]


@dataclass(frozen=True)
class Trail:
    """The audit for auditors. `entries`: the newest that fit; `chains`: their lengths; `verified`: what the verifier finds.

    A subject is named by kind and identifier, and looked for under its pseudonym. What was looked for is in the audit, too.
    """

    entries: Callable[[Actor, Mapping[str, str]], list[Row]]
    chains: Callable[[], list[Row]]
    verified: Callable[[Actor], Row]


@dataclass(frozen=True)
class Desks:
    """All of them. `usage`: of a client's budgets. `sample`: masked values of a dataset, column by column; NotFound.

    `dag`: the address of a dataset's DAG in Airflow, "" where nobody said where that is.
    """

    home: Home
    office: Office
    trail: Trail
    usage: Callable[[str], list[Row]]
    sample: Callable[[str], list[Row]]
    dag: Callable[[str], str]
