#!/usr/bin/env python3
"""Writes the reference pages that follow from the code: `python docs/generate.py`; with `--check` it writes nothing and fails if one is old.

1. `reference/settings.md` from `hub.settings.Settings`: name, default, help.
2. `reference/data-elements.md` from the register of data elements, its code lists and checks.
3. `reference/commands.md` from the `hub` command line's own help.
"""

import sys
import types
from datetime import date
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

import typer
from pydantic import SecretStr
from pydantic.fields import FieldInfo

from hub.cli import COMMANDS
from hub.settings import Settings
from schemas.codes import code_list, code_lists
from schemas.elements import ELEMENTS, Element
from schemas.expressions import checks
from schemas.types import column_of

REFERENCE = Path(__file__).parent / "reference"
SETTINGS_HEAD = """\
# Settings

<!-- Written by docs/generate.py from hub/settings.py. Do not edit. -->

Every setting is an environment variable. The environment is read once, when a process of the hub starts. Variables marked 🔒 hold
secrets, or may; they are masked or left out wherever settings are shown. `HOME` below stands for the folder that `HUB_HOME` names.

| variable | default | what it is |
| --- | --- | --- |
"""
SETTINGS_TAIL = """
Secrets of departments' systems are not settings: a contract names them (`env:NAME`, `file:PATH`, `airflow:CONNECTION`), and they are
looked up when a run opens the source.
"""

ELEMENTS_HEAD = """\
# Data elements

<!-- Written by docs/generate.py from schemas/data. Do not edit. -->

A data element (数据元) gives a column its meaning: `dataElementId` in a contract names it. From it follow how a value is read, what must
hold of it, how it is masked and which columns elsewhere say the same. `hub element show ID` tells everything of one: its seven basic
attributes and the extended ones, its SQL, Arrow and JSON Schema type, its form, its code list. Values from standard input are judged by
`hub element check ID`, and `hub element suggest` ranks the elements that a column could be, with evidence.

In Python: `schemas.values.normalise(element, text)` and `check(element, value, today=…)`, `schemas.masking.mask(id, value)`,
`schemas.likeness.compare(element, a, b)` (`same`, `alike`, `different`, `missing`), `schemas.types` for types. Whole columns are read and
checked by the same rules in SQL (`schemas.expressions`); a test holds the two together.

Sensitivity: L1 public, L2 internal, L3 personal, L4 sensitive personal. A finding is the end of a rule's id (`COLUMN.checksum`); a `*`
marks warnings, which are counted and set nothing aside.

| element | name | type and format | code list | sensitivity | findings |
| --- | --- | --- | --- | --- | --- |
"""
LISTS_HEAD = """\

## Code lists

A code list (代码集) is a file below `schemas/data/codes`. A code that the list never had is `code`, an error; one that went out of force is
`retired`, a warning: it stays in the file with its last month, so that old records keep their meaning. A contract's `codeMap` maps a
department's codes to these; a code outside of the map stays as it is and is `code` too.

| list | name | version | in force from | codes | retired |
| --- | --- | --- | --- | --- | --- |
"""

COMMANDS_HEAD = """\
# Commands

<!-- Written by docs/generate.py from hub/commands. Do not edit. -->

`hub COMMAND --help` says the same. Every command takes `--json` unless said otherwise, and then shows the same facts for machines, errors
too (see [errors](errors.md)). Exit codes: 0 done, 1 failed, 2 wrong usage, 3 refused by a check. Labels and errors are Chinese or English
by `HUB_LANGUAGE` or the terminal's locale; JSON never changes.
"""


def settings_page() -> str:
    """The settings page's text."""
    prefix = Settings.model_config.get("env_prefix", "")
    rows = [_row(f"{prefix}{name}".upper(), field) for name, field in Settings.model_fields.items()]
    return SETTINGS_HEAD + "\n".join(rows) + "\n" + SETTINGS_TAIL


def elements_page() -> str:
    """The page of data elements and code lists."""
    elements = [_element_row(element) for element in ELEMENTS.values()]
    lists = [
        f"| `{listed.name}` | {listed.zh} {listed.en} | {listed.version} | {listed.first} | {len(listed.current)} | {len(listed.retired)} |"
        for listed in map(code_list, code_lists())
    ]
    return "\n".join([ELEMENTS_HEAD + "\n".join(elements), LISTS_HEAD + "\n".join(lists), ""])


def _element_row(element: Element) -> str:
    column = column_of(element)
    found = [c.code + ("*" if c.severity == "warning" else "") for c in checks(column, "v", today=date.min)]
    kind = f"{column.sql_type.lower()} `{element.format}`"
    cells = (
        f"`{element.id}`",
        f"{element.zh} {element.en}",
        kind,
        element.codes or "",
        element.sensitivity,
        " ".join(found),
    )
    return f"| {' | '.join(cells)} |"


def commands_page() -> str:
    """The page of commands, in the order of the help."""
    loaded = {module: _loaded(module) for module, _ in COMMANDS.values()}
    return COMMANDS_HEAD + "".join(
        _command(f"hub {word}", loaded[module].commands[word]) for word, (module, _) in COMMANDS.items()
    )


def _loaded(module: str) -> Any:
    """The commands of one module, as the command line builds them."""
    root = typer.Typer()
    root.callback()(lambda: None)
    import_module(f"hub.commands.{module}").add_to(root)
    return typer.main.get_command(root)


def _command(name: str, command: Any) -> str:
    """One command's paragraph and table, or a group's heading and its commands."""
    if getattr(command, "commands", None):
        inside = "".join(_command(f"{name} {word}", each) for word, each in command.commands.items())
        return f"\n## {name}\n\n{command.help}\n{inside}"
    rows = [_parameter(p) for p in command.params if p.name not in ("help", "as_json")]
    words = " ".join(p.name.upper() for p in command.params if p.param_type_name == "argument")
    table = "\n| | |\n| --- | --- |\n" + "\n".join(rows) + "\n" if rows else ""
    level = "##" if name.count(" ") == 1 else "###"
    without = "" if any(p.name == "as_json" for p in command.params) else " It has no `--json`."
    return f"\n{level} {f'{name} {words}'.strip()}\n\n{' '.join((command.help or '').split())}{without}\n{table}"


def _parameter(parameter: Any) -> str:
    name = parameter.name.upper() if parameter.param_type_name == "argument" else ", ".join(parameter.opts)
    default = f" (default {parameter.default})" if _stated(parameter.default) else ""
    return f"| `{name}` | {' '.join((parameter.help or '').split())}{default} |"


def _stated(default: Any) -> bool:
    return isinstance(default, str | int | float) and not isinstance(default, bool) and default != ""


def pages() -> dict[Path, str]:
    """Every generated page and the text it should have."""
    return {
        REFERENCE / "settings.md": settings_page(),
        REFERENCE / "data-elements.md": elements_page(),
        REFERENCE / "commands.md": commands_page(),
    }


def _row(name: str, field: FieldInfo) -> str:
    default = "" if field.default in (None, "") else f"`{field.default}`"
    limits = "".join(f" (at least {m.ge})" for m in field.metadata if hasattr(m, "ge"))
    help_text = " ".join((field.description or "").split()).replace("|", "\\|")
    lock = "🔒 " if SecretStr in _flat(field.annotation) or not field.repr else ""
    return f"| `{name}` | {default} | {lock}{help_text}{limits}{_choices(field.annotation)} |"


def _choices(annotation: Any) -> str:
    return f": {', '.join(f'`{v}`' for v in get_args(annotation))}" if get_origin(annotation) is Literal else ""


def _flat(annotation: Any) -> tuple[Any, ...]:
    return get_args(annotation) if get_origin(annotation) in (Union, types.UnionType) else (annotation,)


def main(arguments: list[str]) -> int:
    """Write the pages, or with --check name those that are old; returns the exit code."""
    old = [path for path, text in pages().items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    for path in old:
        if "--check" in arguments:
            sys.stderr.write(f"{path.name} is not what the code says → python docs/generate.py\n")
        else:
            path.write_text(pages()[path], encoding="utf-8")
    return int(bool(old) and "--check" in arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
