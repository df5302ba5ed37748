"""What a resource's page says to copy does what the page says: over a real port, with a shell and with Python."""

import html
import json
import os
import re
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
from browsing import served
from records_bench import CASE, PURPOSE, Bench

from serving.app import create_app


def examples(page: str) -> dict[str, str]:
    """The page's code blocks by the heading that names them, their two blanks filled in."""
    found = re.findall(r'aria-labelledby="(call-\w+)"><code>(.*?)</code>', page, re.DOTALL)
    filled = {name: html.unescape(code).replace("PURPOSE", PURPOSE) for name, code in found}
    return {name: code.replace("CASE", CASE) for name, code in filled.items()}


def shell(code: str, token: str) -> str:
    done = subprocess.run(
        ["bash", "-euc", code], env={**os.environ, "TOKEN": token}, capture_output=True, text=True, check=True
    )
    return done.stdout


def test_the_examples_of_a_resources_page_work_as_they_stand(tmp_path: Path) -> None:
    bench: Any = Bench.at(tmp_path, clock=lambda: datetime.now(UTC))  # type: ignore[arg-type]
    bench.allow()
    bench.publish([{"id": "h1", "district": "A", "owner": None, "floors": 3, "fee": None}])
    with served(create_app(bench.services)) as address:
        copied = examples(httpx.get(f"{address}/catalog/houses", params={"lang": "en"}).text)
        assert set(copied) == {"call-open", "call-curl", "call-python"}
        entry, _, turtle = shell(copied["call-open"], "").partition("\n@prefix")
        assert json.loads(entry.partition("@prefix")[0])["dataset"] == "houses"
        assert "dcat:Dataset" in turtle
        page = json.loads(shell(copied["call-curl"], bench.token()))
        assert [row["id"] for row in page["records"]] == ["h1"]
        names: dict[str, Any] = {"token": bench.token()}
        exec(copied["call-python"], names)  # noqa: S102 - the page's own words
        assert names["page"]["records"] == page["records"]
        names["hub"].close()
