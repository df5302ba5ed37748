"""The house stands as drawn: imports point down, names are ours, no file tells where packages come from."""

import ast
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from importlinter.cli import lint_imports

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
ROOMS: list[str] = PROJECT["tool"]["importlinter"]["root_packages"]
REGISTRY_ADDRESS = re.compile(
    r'(^|--)(extra-)?index-url|trusted[-]host|"resolved": *"http|registry *= *"http|url *= *"http[^"]*\.(whl|tar\.gz)"'
    r"|https?://[^\s\"']+/simple\b|files\.pythonhosted"
)


@pytest.fixture
def at_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


@pytest.mark.usefixtures("at_root")
def test_imports_point_down_and_libraries_stay_behind_their_doors(tmp_path: Path) -> None:
    assert lint_imports(cache_dir=str(tmp_path)) == 0, "run lint-imports to see which import is not allowed"


@pytest.mark.usefixtures("at_root")
def test_an_import_that_points_up_would_be_noticed(tmp_path: Path) -> None:
    config = tmp_path / "importlinter.ini"
    config.write_text(
        "[importlinter]\nroot_packages =\n  ledger\n  schemas\n"
        "[importlinter:contract:1]\nname = upside down\ntype = layers\nlayers =\n  schemas\n  ledger\n"
    )
    assert lint_imports(config_filename=str(config), cache_dir=str(tmp_path)) == 1


def test_every_list_of_rooms_names_the_same_rooms() -> None:
    layers = PROJECT["tool"]["importlinter"]["contracts"][0]["layers"]
    assert [room.strip() for layer in layers for room in layer.split("|")] == ROOMS
    assert PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"] == ROOMS
    assert set(ROOMS) <= set(PROJECT["tool"]["mypy"]["packages"])


def test_every_room_resolves_to_this_repository_from_anywhere(tmp_path: Path) -> None:
    code = "import importlib.util, sys; [print(importlib.util.find_spec(n).origin) for n in sys.argv[1:]]"
    done = subprocess.run(
        [sys.executable, "-c", code, *ROOMS], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == [str(ROOT / room / "__init__.py") for room in ROOMS]


def test_no_installed_distribution_owns_a_room_s_name() -> None:
    owners = packages_distributions()
    assert "pytest" in owners
    assert {room: owners[room] for room in ROOMS if set(owners.get(room, ())) - {"cityhub"}} == {}


def test_no_dag_file_is_named_like_a_package_or_a_module() -> None:
    """Airflow puts `dags/` on the search path: `dags/lake.py` would hide the lake."""
    taken = {*ROOMS, *sys.stdlib_module_names, *packages_distributions()}
    stems = {file.stem for file in (ROOT / "dags").glob("*.py")} - {"__init__"}
    assert stems
    assert stems & taken == set()


@pytest.mark.parametrize("room", ROOMS)
def test_every_room_tells_what_enters_what_leaves_and_what_it_must_not_know(room: str) -> None:
    told = ast.get_docstring(ast.parse((ROOT / room / "__init__.py").read_text(encoding="utf-8"))) or ""
    words = " ".join(told.split()).lower()
    assert "enters:" in words
    assert "leaves:" in words
    assert "must not know" in words or "nothing else knows" in words


def test_the_lock_pins_every_requirement_by_hash_and_names_no_address() -> None:
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    entries = [entry for entry in re.split(r"\n(?=\S)", text) if not entry.startswith("#")]
    assert len(entries) > 100
    assert [entry.split()[0] for entry in entries if "==" not in entry or "--hash=sha256:" not in entry] == []
    assert "://" not in text


def tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def test_no_tracked_file_tells_where_packages_come_from() -> None:
    found = []
    for file in tracked():
        try:
            lines = file.read_text(encoding="utf-8").splitlines()
        except UnicodeDecodeError:
            continue
        found += [f"{file.relative_to(ROOT)}:{n}" for n, line in enumerate(lines, 1) if REGISTRY_ADDRESS.search(line)]
    assert found == []


@pytest.mark.parametrize(
    "line",
    [
        "--extra" + "-index-url=x",
        "index" + "-url = x",
        '"resolved": ' + '"https://r/x"',
        "url = " + '"https://h/a.whl"',
        "https://m.example" + "/simple",
    ],
)
def test_an_address_would_be_noticed(line: str) -> None:
    assert REGISTRY_ADDRESS.search(line)
