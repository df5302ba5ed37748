"""Data Docs: Great Expectations' own validation page per dataset, fit for a network without the Internet.

1. Great Expectations renders the results (counts only, see `quality.judge`).
2. Scripts, style sheets, images, outside links and the buttons that need them go; our small style sheet takes their place.
3. The verdict is put at the top: publish or hold and why, and where each delivered row went.
"""

import html
import re
from importlib import resources
from pathlib import Path
from typing import Any

from quality.judge import Judgement
from quality.verdict import Verdict
from schemas.contract import Contract

_GONE = (
    r"<script\b.*?</script>", r"<link\b[^>]*>", r"<img\b[^>]*>", r"<nav class=\"navbar.*?</nav>\s*</div>\s*</nav>", r"<footer\b.*?</footer>",
    r"<div class=\"card mb-3\">\s*<div class=\"card-header p-2\">\s*<strong>Actions</strong>.*?</div>\s*</div>\s*</div>\s*</div>\s*</div>",
    r"\son\w+=\"[^\"]*\"", r"<a\b[^>]*data-toggle=[^>]*>.*?</a>", r"<title>.*?</title>",
)  # fmt: skip
_OUTSIDE_LINK = re.compile(r"<a\b[^>]*href=\"(?!#)[^\"]*\"[^>]*>(.*?)</a>", re.DOTALL)
_CSS_URL = re.compile(r"url\([^)]*\)")


def build(docs: Path, contract: Contract, verdict: Verdict, judgement: Judgement) -> Path:
    """Write `docs/<dataset>/index.html`; return its path."""
    page = docs / contract.dataset / "index.html"
    page.parent.mkdir(parents=True, exist_ok=True)
    text = _offline(_rendered(judgement))
    title = html.escape(f"{contract.title} · {contract.dataset}")
    style = resources.files("quality").joinpath("docs.css").read_text(encoding="utf-8")
    text = text.replace("</head>", f"<title>{title}</title>\n<style>{style}</style>\n</head>", 1)
    text = re.sub(r"(<body[^>]*>)", lambda m: m[1] + _summary(contract, verdict), text, count=1)
    page.write_text(text, encoding="utf-8")
    return page


def _rendered(judgement: Judgement) -> str:
    from great_expectations.render.renderer.page_renderer import ValidationResultsPageRenderer
    from great_expectations.render.view.view import DefaultJinjaPageView

    view: Any = DefaultJinjaPageView()
    return str(view.render(ValidationResultsPageRenderer().render(judgement.results)))


def _offline(text: str) -> str:
    for pattern in _GONE:
        text = re.sub(pattern, "", text, flags=re.DOTALL)
    return _CSS_URL.sub("none", _OUTSIDE_LINK.sub(r"\1", text))


def _summary(contract: Contract, verdict: Verdict) -> str:
    """The verdict in a few lines of HTML."""
    counts = verdict.counts
    told = "可发布 · publish" if verdict.outcome == "publish" else "暂缓发布 · hold"
    rows = (
        ("报送", "delivered", counts.delivered), ("合格", "passed", counts.passed), ("不合格", "rejected", counts.rejected),
        ("重复", "duplicates", counts.duplicates), ("被取代", "superseded", counts.superseded),
    )  # fmt: skip
    cells = "".join(f"<div><b>{n:,}</b>{zh} · {en}</div>" for zh, en, n in rows)
    reasons = "".join(f"<li>{html.escape(r.zh)} · {html.escape(r.en)}</li>" for r in verdict.reasons)
    heading = html.escape(f"{contract.title} · {contract.dataset} {contract.version}")
    return (
        f'<header class="verdict {verdict.outcome}"><h1>{heading}</h1><p class="outcome">{told}</p>'
        f'<ul class="reasons">{reasons}</ul><div class="counts">{cells}</div></header>'
    )
