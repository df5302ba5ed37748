"""The `hub` command: one grammar, one way to fail.

Only the module of the command that was typed is imported: help is shown at once, and looking at runs does not wait for the judge.
Exit codes: 0 done, 1 failed, 2 usage, 3 refused by a check. Errors go to standard error, with what to do next.
"""

import os
import sys
from importlib import import_module

import typer

from hub.output import complain
from hub.words import language
from schemas.errors import HubError

COMMANDS = {
    "contract": ("contract", "数据契约 contracts: one ODCS file per dataset"),
    "source": ("source", "数据来源 sources: does it answer, what is there, a first contract"),
    "pull": ("pipeline", "Pull a dataset: read, judge and publish in one go."),
    "read": ("pipeline", "Step 1: claim a dataset and land what its source has to say."),
    "judge": ("pipeline", "Step 2: standardise and judge a landed run."),
    "publish": ("pipeline", "Step 3: append what changed, commit it, tell the ledger."),
    "rollback": ("pipeline", "Restate an older state as a new load."),
    "replay": (
        "repairs",
        "Judge kept landings again after a contract change, without asking the source; one new load.",
    ),
    "reconcile": (
        "repairs",
        "Compare a source with what is published, by key and content: late rows, silent changes, deletions.",
    ),
    "runs": ("runs", "取数运行 runs: what was read, changed, quarantined"),
    "quarantine": ("quarantine", "问题数据 quarantine: rows that failed a rule, and their way back"),
    "quality": ("quality", "质量规则 quality: suites, results, Data Docs"),
    "inbox": ("inbox", "报送 inbox: batches that departments push"),
    "upkeep": ("pipeline", "Refresh bases, clean landings, look for late datasets, send what waits in the outbox."),
    "ledger": ("pipeline", "台账 ledger: the operational database"),
    "dispute": ("dispute", "异议核实 disputes: values that somebody says are wrong"),
    "event": ("event", "事件 events: who is told of what happens, and what waits to be sent"),
    "scorecard": (
        "scorecard",
        "Show how good the data is: completeness, validity, uniqueness, consistency, timeliness, each 0 to 100.",
    ),
    "element": ("meaning", "数据元 data elements: what columns mean, and what values must be"),
    "authority": ("meaning", "数源 authoritative sources: one dataset per data element and subject kind"),
    "subject": ("people", "一人一档、一企一档 subjects: one file per person, enterprise, …"),
    "due": ("people", "List permits and licences about to expire, each with the form that renews it."),
    "form": ("form", "表单 forms: what they ask and where their fields come from"),
    "catalog": ("catalog", "资源目录 catalog: every dataset, what it promises and what was measured"),
    "client": ("clients", "调用方 clients: portals, their keys and budgets"),
    "account": ("accounts", "账号 accounts: people at the console, their departments and roles"),
    "grant": ("grants", "授权 grants: which fields for which purpose, on which legal basis"),
    "request": ("request", "数据共享申请 requests: asked, approved or refused in time, granted"),
    "delegation": ("request", "委托审批 delegations: who decides on requests instead"),
    "provider": ("clients", "身份认证 identity providers: whose consents count"),
    "key": ("clients", "密钥 keys: the hub's own"),
    "audit": ("auditing", "审计 audit: who used which data, for what"),
    "erase": (
        "auditing",
        "Erase a subject from the lake, the subject files, tickets and scratch space. It cannot be undone.",
    ),
    "serve": (
        "sharing",
        "Serve the API, the catalog's pages and, where settings say so, the demonstration portal.",
    ),
}
"""Every command in the order of the help: the module in `hub/commands` that has it, and its line there."""


def application(word: str) -> typer.Typer:
    """The command line with the module of one command behind it; for any other word, every command's name and line."""
    app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)

    @app.callback()
    def root() -> None:
        """cityhub: departments' records pulled, judged, cataloged, and used to prefill forms."""

    if word in COMMANDS:
        import_module(f"hub.commands.{COMMANDS[word][0]}").add_to(app)
    else:
        for name, (_, line) in COMMANDS.items():
            app.command(name, help=line)(root)
    return app


def main() -> None:
    """Run the command line; a `HubError` becomes its message and exit code."""
    word = next((argument for argument in sys.argv[1:] if not argument.startswith("-")), "")
    try:
        application(word)()
    except HubError as error:
        complain(error, as_json="--json" in sys.argv, language=language(os.environ.get("HUB_LANGUAGE", "")))
        sys.exit(error.exit_code)
