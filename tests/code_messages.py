"""Every message that the code can raise, as templates: found in its syntax, not by running it.

1. A site is a call of a `HubError` or of `Problem`, any `todo=` of another call, and what a walker over a document is told is `wrong`: each of
   its texts is an expression.
2. `texts` follows an expression to its possible texts: constants, conditions, sums, the names of a function or module, parameters (to the calls
   of that module), functions' returns, tables. What an f-string holds becomes `{}`, unless it is itself one of a few constants.
3. What cannot be followed is told apart, so that a test can hold the list of it.
"""

import ast
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache, cached_property
from itertools import product
from pathlib import Path

from schemas import errors

Function = ast.FunctionDef | ast.AsyncFunctionDef
ROOT = Path(__file__).parents[1]
KINDS = {
    name: kind
    for name, kind in vars(errors).items()
    if isinstance(kind, type) and issubclass(kind, errors.HubError | errors.Problem)
}
WRAPPED = {"Unacceptable", "NotAPredicate"}
"""Exceptions of the house whose text becomes part of a `HubError`."""
_MANY = 24
"""More alternatives than this are no list of constants that somebody reads."""
_DEEP = 12


@dataclass(frozen=True)
class Site:
    """A place that raises: what it may say, and what of that could not be followed."""

    file: str
    line: int
    texts: frozenset[str]
    lost: frozenset[str]


@dataclass(eq=False)
class Module:
    """One file's syntax, with its functions, calls and constants by name."""

    name: str
    tree: ast.Module
    around: dict[ast.AST, Function] = field(default_factory=dict)
    outer: dict[ast.AST, Function] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for function in ast.walk(self.tree):  # outer before inner: the innermost function of a node is the last
            if isinstance(function, Function):
                if function in self.around:
                    self.outer[function] = self.around[function]
                self.around.update(dict.fromkeys(ast.walk(function), function))

    @cached_property
    def functions(self) -> dict[str, list[Function]]:
        found: dict[str, list[Function]] = {}
        for node in ast.walk(self.tree):
            if isinstance(node, Function):
                found.setdefault(node.name, []).append(node)
        return found

    @cached_property
    def calls(self) -> dict[str, list[ast.Call]]:
        found: dict[str, list[ast.Call]] = {}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Call):
                found.setdefault(_called(node), []).append(node)
        return found

    @cached_property
    def imported(self) -> dict[str, tuple[str, str]]:
        nodes = (n for n in ast.walk(self.tree) if isinstance(n, ast.ImportFrom) and n.module)
        return {a.asname or a.name: (str(n.module), a.name) for n in nodes for a in n.names}

    def constant(self, name: str) -> list[ast.expr]:
        return [
            node.value
            for node in self.tree.body
            if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None and name in _names(node)
        ]


def sites() -> Iterator[Site]:
    """Every place of the packages that raises, or hands on what to do."""
    return (site for module in modules() for site in sites_of(module))


def sites_of(module: Module) -> Iterator[Site]:
    """Those of one module."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Call):
            told = [_texts(module, part, 0) for part in _parts(node)]
            found = {text for some, _ in told for text in some if any(c.isalpha() for c in text.replace("{}", ""))}
            lost = {what for _, some in told for what in some}
            if found or lost:
                yield Site(module.name, node.lineno, frozenset(found), frozenset(lost))


def strings() -> set[str]:
    """Every string of the code and each of its lines as a template, whoever says it."""
    found = set[str]()
    for module in modules():
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Constant | ast.JoinedStr):
                texts = _texts(module, node, 0)[0]
                found |= texts | {line.strip() for text in texts for line in text.splitlines()}
    return found


def modules() -> Iterator[Module]:
    """Every module of the packages."""
    rooms = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "root_packages"
    ]
    return (of(str(path.relative_to(ROOT))) for room in rooms for path in sorted((ROOT / room).rglob("*.py")))


@cache
def of(name: str) -> Module:
    return Module(name, ast.parse((ROOT / name).read_text(encoding="utf-8")))


Found = tuple[set[str], set[str]]


def _parts(call: ast.Call) -> list[ast.expr]:
    """The expressions of a call that somebody reads."""
    named = {k.arg: k.value for k in call.keywords}
    match _called(call):
        case "ContractInvalid":
            return []
        case "Problem":
            given = dict(zip(("path", "wrong", "example", "file"), call.args, strict=False)) | named
            return [given[name] for name in ("wrong", "example") if name in given]
        case "wrong" | "custom_wrong" if isinstance(call.func, ast.Attribute):
            return call.args[1:3] if _called(call) == "wrong" else call.args[1:2]
        case name if name in KINDS or name in WRAPPED:
            return [*call.args[:1], *(named[n] for n in ("what", "todo") if n in named)]
        case _:
            return [named["todo"]] if "todo" in named else []


def _texts(module: Module, node: ast.expr, depth: int) -> Found:
    if depth > _DEEP:
        return set(), {ast.unparse(node)}
    match node:
        case ast.Constant(value=str(text)):
            return {text}, set()
        case ast.JoinedStr(values=values):
            parts = [
                _held(module, v, depth) if isinstance(v, ast.FormattedValue) else {ast.literal_eval(v)} for v in values
            ]
            return {"".join(one) for one in product(*parts)}, set()
        case ast.Attribute(attr="what" | "todo" | "wrong" | "example"):
            return set(), set()  # another error's, whose own site tells it
        case ast.Call(func=ast.Attribute(value=ast.Constant(value=", "), attr="join")):
            return {"{}"}, set()  # a list of names
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            (first, lost), (then, more) = _texts(module, left, depth + 1), _texts(module, right, depth + 1)
            return {a + b for a in first for b in then}, lost | more
        case _:
            followed = _followed(module, node)
            if followed is None:
                return set(), {ast.unparse(node)}
            told = [_texts(other, one, depth + 1) for other, one in followed]
            return {t for some, _ in told for t in some}, {what for _, some in told for what in some}


def _held(module: Module, place: ast.FormattedValue, depth: int) -> set[str]:
    """What an f-string may hold at one place: a few phrases of the code, or anything."""
    node = place.value
    if place.conversion == ord("r") or (isinstance(node, ast.Name) and _is_given(module, node)):
        return {"{}"}
    found, lost = _texts(module, node, depth + 1)
    return found if not lost and len(found) <= _MANY and any(" " in text for text in found) else {"{}"}


def _is_given(module: Module, node: ast.Name) -> bool:
    """Whether other modules may say what stands here: a parameter of a public function."""
    function = module.around.get(node)
    return function is not None and not function.name.startswith("_") and node.id in _arguments(function)


def _followed(module: Module, node: ast.expr, part: int | None = None) -> list[tuple[Module, ast.expr]] | None:
    """The expressions that this one may stand for, `part` of them where they are tuples; None where that is not to be seen."""
    found: list[tuple[Module, ast.expr]] | None = None
    match node:
        case ast.IfExp(body=body, orelse=other):
            found = [(module, body), (module, other)]
        case ast.BoolOp(values=values):
            found = [(module, value) for value in values]
        case ast.Subscript(value=ast.Name(id=name)):
            found = _values(module, name)
        case ast.Subscript(value=ast.Dict(values=values)):
            found = [(module, value) for value in values]
        case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr="get"), args=[_, *rest]):
            table = _values(module, name)
            found = None if table is None else table + [(module, value) for value in rest]
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(value=ast.Name(id="self"), attr=name)):
            home, own = _home(module, name)
            found = [(home, r) for f in home.functions.get(own, ()) for r in _returns(home, f)] or None
        case ast.Name(id=name):
            found = _of_name(module, node, name)
    if found is None or part is None:
        return found
    parts = [
        [(other, one.elts[part])] if isinstance(one, ast.Tuple) else _followed(other, one, part) for other, one in found
    ]
    return None if None in parts else [one for some in parts for one in some or ()]


def _of_name(module: Module, node: ast.Name, name: str) -> list[tuple[Module, ast.expr]] | None:
    function = module.around.get(node)
    while function is not None:
        assigned = _assigned(module, function, name)
        if assigned != []:
            return assigned
        if name in (arguments := _arguments(function)):
            return _given(module, function, arguments, name)
        function = module.outer.get(function)
    home, own = _home(module, name)
    return [(home, value) for value in home.constant(own)] or None


def _assigned(module: Module, function: Function, name: str) -> list[tuple[Module, ast.expr]] | None:
    """What a function gives to the name; empty where nothing, None where it cannot be seen."""
    found: list[tuple[Module, ast.expr]] = []
    for node in ast.walk(function):
        if isinstance(node, ast.For | ast.comprehension | ast.AugAssign) and name in _targets(node.target):
            return None
        if isinstance(node, ast.NamedExpr) and node.target.id == name:
            found.append((module, node.value))
        if not isinstance(node, ast.Assign | ast.AnnAssign) or name not in _names(node) or node.value is None:
            continue
        target = node.targets[0] if isinstance(node, ast.Assign) else node.target
        if isinstance(target, ast.Name):
            found.append((module, node.value))
        elif isinstance(node.value, ast.Tuple):
            found.append((module, node.value.elts[_targets(target).index(name)]))
        else:
            part = _followed(module, node.value, _targets(target).index(name))
            if part is None:
                return None
            found += part
    return found


def _given(module: Module, function: Function, arguments: list[str], name: str) -> list[tuple[Module, ast.expr]] | None:
    """What the calls in the module give to a parameter, with its default."""
    found: list[tuple[Module, ast.expr]] = []
    place = arguments.index(name)
    calls = [c for c in module.calls.get(function.name, ()) if module.around.get(c) is not function]
    for call in calls:
        bound = place - 1 if arguments[0] == "self" else place
        named = {k.arg: k.value for k in call.keywords}
        if name in named:
            found.append((module, named[name]))
        elif bound < len(call.args):
            found.append((module, call.args[bound]))
    positional = [a.arg for a in function.args.args]
    defaults = dict(zip(reversed(positional), reversed(function.args.defaults), strict=False))
    defaults |= {a.arg: d for a, d in zip(function.args.kwonlyargs, function.args.kw_defaults, strict=True) if d}
    if name in defaults:
        found.append((module, defaults[name]))
    return found if calls else None


def _values(module: Module, name: str) -> list[tuple[Module, ast.expr]] | None:
    """The values of a table that is a constant."""
    home, own = _home(module, name)
    inside = [
        n.value for f in module.functions.values() for g in f for n in ast.walk(g)
        if isinstance(n, ast.Assign) and name in _names(n)
    ]  # fmt: skip
    tables = [t for t in (*home.constant(own), *inside) if isinstance(t, ast.Dict)]
    return [(home, value) for table in tables for value in table.values] or None


def _home(module: Module, name: str) -> tuple[Module, str]:
    """Where a name of the module is defined, and how it is called there."""
    told = module.imported.get(name)
    if told:
        path = told[0].replace(".", "/")
        for file in (f"{path}.py", f"{path}/__init__.py"):
            if (ROOT / file).is_file():
                return of(file), told[1]
    return module, name


def _returns(module: Module, function: Function) -> list[ast.expr]:
    return [
        node.value for node in ast.walk(function)
        if isinstance(node, ast.Return) and node.value is not None and module.around.get(node) is function
    ]  # fmt: skip


def _arguments(function: Function) -> list[str]:
    return [a.arg for a in (*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs)]


def _names(node: ast.Assign | ast.AnnAssign) -> list[str]:
    return [n for t in (node.targets if isinstance(node, ast.Assign) else [node.target]) for n in _targets(t)]


def _targets(node: ast.expr) -> list[str]:
    if isinstance(node, ast.Tuple):
        return [n.id if isinstance(n, ast.Name) else "" for n in node.elts]
    return [node.id] if isinstance(node, ast.Name) else []


def _called(call: ast.Call) -> str:
    match call.func:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case _:
            return ""
