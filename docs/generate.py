#!/usr/bin/env python3
"""Writes the reference pages that follow from the code: `python docs/generate.py`; with `--check` it writes nothing and fails if one is old.

1. `reference/settings.md` from `hub.settings.Settings`: name, default, help.
"""

import sys
import types
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from hub.settings import Settings

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


def settings_page() -> str:
    """The settings page's text."""
    prefix = Settings.model_config.get("env_prefix", "")
    rows = [_row(f"{prefix}{name}".upper(), field) for name, field in Settings.model_fields.items()]
    return SETTINGS_HEAD + "\n".join(rows) + "\n" + SETTINGS_TAIL


def pages() -> dict[Path, str]:
    """Every generated page and the text it should have."""
    return {REFERENCE / "settings.md": settings_page()}


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
