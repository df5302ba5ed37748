"""Files that departments uploaded for a registration: kept apart until the data office approves, then the first delivery in the drop folder.

1. `keep` writes a file into the registration's own folder, under a name of the hub's; the department's name for it is only shown.
2. `deliver` puts it where the contract says that deliveries lie: `DROP/DEPARTMENT/DATASET/`. A file's name there begins with its moment, so that
   the newest sorts last; whoever delivers by hand later keeps to that.
3. `remove` takes the folder away: when the registration is discarded, was approved, or was left alone for too long.
"""

import hashlib
import json
import re
import shutil
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any

from hub.core import Hub
from hub.registration.sources import FILES
from lake.durable import make_folder, sync_file, sync_folder
from lake.inbox import too_large
from schemas.errors import Invalid, NotFound


@dataclass(frozen=True)
class Kept:
    """An uploaded file: the department's `name` for it (to be shown only), its form, size and content."""

    name: str
    suffix: str
    bytes: int
    sha256: str
    at: str

    @property
    def kind(self) -> str:
        """The kind of source."""
        return FILES[self.suffix]

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        return asdict(self)


def folder(hub: Hub, registration: str) -> Path:
    """The registration's own folder."""
    return hub.settings.staging / registration


def file(hub: Hub, registration: str, kept: Kept) -> Path:
    """Where the uploaded file lies."""
    return folder(hub, registration) / f"file{kept.suffix}"


def keep(hub: Hub, registration: str, chunks: Iterable[bytes], name: str) -> Kept:
    """Keep an uploaded file in place of an earlier one.

    Raises:
        Invalid: its kind is none that can be registered, or it is empty.
        TooLarge: it is larger than the settings allow.
    """
    suffix = PurePosixPath(name.replace("\\", "/")).suffix.lower()
    if suffix not in FILES:
        raise Invalid("this kind of file cannot be registered", todo=f"one of {', '.join(FILES)}", field="file")
    place, limit = folder(hub, registration), hub.settings.upload_max_mb << 20
    make_folder(place)
    place.chmod(0o700)
    path, size, digest = place / "arriving", 0, hashlib.sha256()
    with path.open("wb") as target:
        path.chmod(0o600)
        for chunk in chunks:
            size += len(chunk)
            if size > limit:
                path.unlink()
                raise too_large(limit)
            digest.update(chunk)
            target.write(chunk)
    if not size:
        path.unlink()
        raise Invalid("the file is empty", todo="choose another", field="file")
    sync_file(path)
    kept = Kept(_shown(name), suffix, size, digest.hexdigest(), hub.clock().isoformat())
    for earlier in place.glob("file.*"):
        earlier.unlink()
    path.replace(file(hub, registration, kept))
    sync_folder(place)
    return kept


def note(hub: Hub, registration: str, samples: dict[str, Any]) -> None:
    """Keep masked samples beside the file."""
    place = folder(hub, registration)
    make_folder(place)
    place.chmod(0o700)
    (place / "samples.json").write_text(json.dumps(samples, ensure_ascii=False), encoding="utf-8")


def noted(hub: Hub, registration: str) -> dict[str, Any]:
    """The masked samples; none once they are gone."""
    path = folder(hub, registration) / "samples.json"
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else {}


def drop_path(department: str, dataset: str, suffix: str) -> str:
    """The pattern of a dataset's deliveries below the drop root."""
    return f"{department}/{dataset}/*{suffix}"


def deliver(hub: Hub, registration: str, kept: Kept, department: str, dataset: str) -> Path:
    """Put the file into the drop folder, whole or not at all; doing so again changes nothing. Raises NotFound if it is gone."""
    source = file(hub, registration, kept)
    at = datetime.fromisoformat(kept.at)
    target = hub.settings.drops / department / dataset / f"{at:%Y%m%dT%H%M%S}-{kept.sha256[:8]}{kept.suffix}"
    if target.exists():
        return target
    if not source.exists():
        raise NotFound("the uploaded file is gone", todo="return it to the department, which uploads it again")
    make_folder(target.parent)
    part = target.with_name(f".{target.name}.part")
    shutil.copyfile(source, part)
    sync_file(part)
    part.replace(target)
    sync_folder(target.parent)
    return target


def remove(hub: Hub, registration: str) -> None:
    """Take the registration's folder away, if there is one."""
    if re.fullmatch(r"[0-9a-f]{16}", registration):
        shutil.rmtree(folder(hub, registration), ignore_errors=True)


def _shown(name: str) -> str:
    """A file's name as it is shown: the last part of a path, without control characters.

    >>> _shown("../../etc/名册.csv")
    '名册.csv'
    """
    return "".join(c for c in PurePosixPath(name.replace("\\", "/")).name if c.isprintable())[-100:]
