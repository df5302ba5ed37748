"""Forms as the catalog's lineage needs them: which part of a subject file fills which field."""

from collections.abc import Iterator, Mapping
from typing import assert_never

from catalog.lineage import Binding
from prefill.forms import Form, FormField
from prefill.paths import FieldPath, IdPath, LatestPath, ValuePath


def bindings(forms: Mapping[str, Form]) -> tuple[Binding, ...]:
    """One binding for each field of each form and each part of the subject file that may fill it; a kind's own form is none."""
    return tuple(
        Binding(
            form.id, form.title, form.title_en, form.department, form.department_en, form.subject, field.name, field.label,
            field.label_en, part,
        )
        for form in forms.values()
        if form.id != form.subject
        for field in form.fields
        for part in dict.fromkeys(_parts(field))
    )  # fmt: skip


def _parts(field: FormField) -> Iterator[str]:
    yield from map(_part, field.paths)
    for item in field.items:
        yield from map(_part, item.paths)


def _part(path: ValuePath) -> str:
    match path:
        case IdPath():
            return "id"
        case FieldPath(field=name):
            return name
        case LatestPath(list=name, column=column):
            return f"{name}.{column}"
        case _:
            assert_never(path)
