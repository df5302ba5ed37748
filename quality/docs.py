"""Data Docs: Great Expectations' own validation page per dataset, fit for a network without the Internet, and a page that lists them.

1. Great Expectations renders the results (counts only, see `quality.judge`).
2. Scripts, style sheets, images, outside links and the buttons that need them go; our small style sheet, beside the pages, takes their place.
3. The verdict is put at the top: publish or hold and why, and where each delivered row went. What the page says of itself it says in both languages.
4. Beside each page lie the results as Great Expectations' JSON, one file a judgement (`results/`, the newest 30), and the verdict.
"""

import html
import json
import re
from collections.abc import Iterator
from datetime import datetime
from importlib import resources
from pathlib import Path
from typing import Any

from lake.durable import write_atomically
from quality.judge import Judgement
from quality.verdict import Verdict
from schemas.contract import Contract

KEPT = 30
_GONE = (
    r"<script\b.*?</script>", r"<link\b[^>]*>", r"<img\b[^>]*>", r"<nav class=\"navbar.*?</nav>\s*</div>\s*</nav>", r"<footer\b.*?</footer>",
    r"<div class=\"card mb-3\">\s*<div class=\"card-header p-2\">\s*<strong>Actions</strong>.*?</div>\s*</div>\s*</div>\s*</div>\s*</div>",
    r"\son\w+=\"[^\"]*\"", r"<a\b[^>]*data-toggle=[^>]*>.*?</a>", r"<title>.*?</title>", r"<style\b.*?</style>", r"\sstyle=\"[^\"]*\"",
    r"Data asset: None<br>",
)  # fmt: skip
_OUTSIDE_LINK = re.compile(r"<a\b[^>]*href=\"(?!#)[^\"]*\"[^>]*>(.*?)</a>", re.DOTALL)
_SAID = {
    "Table of Contents": "目录 · Contents", "Overview": "概况 · Overview", "Statistics": "统计 · Statistics", "Status": "状态 · Status",
    "Evaluated Expectations": "已判规则 · evaluated", "Successful Expectations": "成立 · held", "Unsuccessful Expectations": "不成立 · not held",
    "Success Percent": "成立比例 · share held", "Expectation": "规则 · Expectation", "Observed Value": "结果 · Found",
    "Failed": "有规则不成立 · Failed", "Succeeded": "全部成立 · Succeeded",
    "Table-Level Expectations": "跨列与整表规则 · across columns", "Expectation Suite:": "规则集 · Suite", "Status:": "结论 · Status:",
}  # fmt: skip
_COUNTED = re.compile(r"(\d+) unexpected values found\. (\S+) of (\d+) total rows\.")
_STYLE = '<meta name="viewport" content="width=device-width"><link rel="stylesheet" href="{0}docs.css">'


def build(docs: Path, contract: Contract, verdict: Verdict, judgement: Judgement, at: datetime) -> Path:
    """Write `docs/<dataset>/index.html`, the results beside it and the list of all datasets anew; return the page's path."""
    page = docs / contract.dataset / "index.html"
    results = page.parent / "results"
    results.mkdir(parents=True, exist_ok=True)
    write_atomically(docs / "docs.css", resources.files("quality").joinpath("docs.css").read_bytes())
    write_atomically(results / f"{at:%Y%m%dT%H%M%S%fZ}.json", judgement.to_text().encode())
    for old in sorted(results.glob("*.json"))[:-KEPT]:
        old.unlink()
    about = {"title": contract.title, "version": contract.version, "judged": f"{at:%Y-%m-%d %H:%M} UTC"}
    write_atomically(page.parent / "judged.json", json.dumps(about | verdict.to_json(), ensure_ascii=False).encode())
    text = _told(_offline(_rendered(judgement)), contract)
    title = html.escape(f"{contract.title} · {contract.dataset}")
    text = text.replace("</head>", f"<title>{title}</title>\n{_STYLE.format('../')}\n</head>", 1)
    text = re.sub(r"(<body[^>]*>)", lambda m: m[1] + _summary(contract, verdict, about["judged"]), text, count=1)
    write_atomically(page, text.encode())
    write_atomically(docs / "index.html", _list(docs).encode())
    return page


def results(docs: Path, dataset: str) -> list[Path]:
    """The files of a dataset's results as Great Expectations' JSON, newest first."""
    return sorted((docs / dataset / "results").glob("*.json"), reverse=True)


def verdicts(docs: Path) -> Iterator[dict[str, Any]]:
    """The newest verdict of every dataset that was judged, with its title and hour."""
    for file in sorted(docs.glob("*/judged.json")):
        yield json.loads(file.read_bytes())


def _rendered(judgement: Judgement) -> str:
    from great_expectations.render.renderer.page_renderer import ValidationResultsPageRenderer
    from great_expectations.render.view.view import DefaultJinjaPageView

    view: Any = DefaultJinjaPageView()
    return str(view.render(ValidationResultsPageRenderer().render(judgement.results)))


def _offline(text: str) -> str:
    for pattern in _GONE:
        text = re.sub(pattern, "", text, flags=re.DOTALL)
    return _OUTSIDE_LINK.sub(r"\1", text)


def _told(text: str, contract: Contract) -> str:
    """The page's own words in both languages, columns with their titles."""
    titles = {c.name: f"{c.title} · {c.name}" for c in contract.columns if c.title != c.name}
    words = _SAID | {html.escape(name): html.escape(title) for name, title in titles.items()}
    text = re.sub(r">(\s*)([^<>\n]+?)(\s*)<", lambda m: f">{m[1]}{words.get(m[2], m[2])}{m[3]}<", text)
    text = re.sub(r"([\d.]+%) unexpected\b", r"\1 不符 · unexpected", text)
    text = re.sub(r"([\d.]+%) not null\b", r"\1 已填 · not null", text)
    return _COUNTED.sub(r"\3 行中 \1 行不符合(\2)· \1 of \3 rows do not", text)


def _summary(contract: Contract, verdict: Verdict, judged: str) -> str:
    """The verdict in a few lines of HTML."""
    counts = verdict.counts
    rows = (
        ("报送", "delivered", counts.delivered), ("合格", "passed", counts.passed), ("不合格", "rejected", counts.rejected),
        ("重复", "duplicates", counts.duplicates), ("被取代", "superseded", counts.superseded),
    )  # fmt: skip
    cells = "".join(f"<div><b>{n:,}</b>{zh} · {en}</div>" for zh, en, n in rows)
    reasons = "".join(f"<li>{html.escape(r.zh)} · {html.escape(r.en)}</li>" for r in verdict.reasons)
    heading = html.escape(f"{contract.title} · {contract.dataset} {contract.version}")
    return (
        f'<header class="verdict {verdict.outcome}"><p class="back"><a href="../index.html">全部数据集 · all datasets</a></p>'
        f'<h1>{heading}</h1><p class="outcome">{_OUTCOMES[verdict.outcome]}</p><p class="judged">{judged}</p>'
        f'<ul class="reasons">{reasons}</ul><div class="counts">{cells}</div></header>'
    )


_OUTCOMES = {"publish": "可发布 · publish", "hold": "暂缓发布 · hold"}


def _list(docs: Path) -> str:
    rows = []
    for told in verdicts(docs):
        name, counts = html.escape(told["dataset"]), told["counts"]
        broken = sum(not rule["passed"] for rule in told["rules"])
        rows.append(
            f'<tr class="{told["outcome"]}"><td><a href="{name}/index.html">{html.escape(told["title"])} · {name}</a></td>'
            f"<td>{_OUTCOMES[told['outcome']]}</td><td>{counts['delivered']:,}</td><td>{counts['rejected']:,}</td>"
            f"<td>{len(told['rules'])}</td><td>{broken}</td><td>{told['judged']}</td></tr>"
        )
    heads = (
        "数据集 · dataset",
        "结论 · verdict",
        "报送 · delivered",
        "不合格 · rejected",
        "规则 · rules",
        "不成立 · not held",
        "判定 · judged",
    )
    head = "".join(f"<th>{text}</th>" for text in heads)
    return (
        f'<!doctype html><html lang="zh"><head><meta charset="utf-8"><title>质量文档 · Data Docs</title>{_STYLE.format("")}</head><body class="list">'
        f'<h1>质量文档 · Data Docs</h1><table class="table"><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table></body></html>'
    )
