"""What tests of pages share: an application served on a port, a browser, and what a page must be for a keyboard and a screen reader."""

import re
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from html.parser import HTMLParser
from itertools import pairwise
from typing import Any

import uvicorn
from playwright.sync_api import Browser, Page, sync_playwright

from serving.app import Application
from serving.wire import wire

_EMPTY = {"meta", "link", "input", "br", "img"}


@contextmanager
def browsers(chromium: str) -> Iterator[Browser]:
    arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=arguments)
        yield browser
        browser.close()


def bound() -> tuple[socket.socket, str]:
    """A socket on a free port, and the address that it will have."""
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    return listening, f"http://127.0.0.1:{listening.getsockname()[1]}"


@contextmanager
def served(app: Any, listening: socket.socket | None = None) -> Iterator[str]:
    """The application on the socket that is given, or on a port of its own; its address."""
    listening = listening or bound()[0]
    http = wire(app) if isinstance(app, Application) else "auto"
    server = uvicorn.Server(uvicorn.Config(app, http=http, log_level="error", lifespan="off", ws="none"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    deadline = time.monotonic() + 60
    while not server.started and time.monotonic() < deadline:
        threading.Event().wait(0.02)
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(20)
        listening.close()


def fits(page: Page) -> bool:
    """Whether nothing is wider than the window."""
    return bool(page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"))


class _Reader(HTMLParser):
    """Tags with their attributes and the tags that they are in."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None], tuple[str, ...]]] = []
        self.open: list[str] = []
        self.faults: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs), tuple(self.open)))
        if tag not in _EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in _EMPTY and (not self.open or self.open.pop() != tag):
            self.faults.append(f"</{tag}> closes something else")


def faults(html: str) -> list[str]:
    """What keeps somebody from reading or using the page: names missing, headings out of order, references to nothing, scripts."""
    read = _Reader(html)
    found = [*read.faults, *(f"<{tag}> stays open" for tag in read.open)]
    ids = Counter(a["id"] for _, a, _ in read.tags if a.get("id"))
    found += [f"two elements are called {name}" for name, count in ids.items() if count > 1]
    labelled = {a.get("for") for tag, a, _ in read.tags if tag == "label"}
    for tag, a, inside in read.tags:
        if tag in ("input", "select", "textarea") and a.get("type") != "hidden":
            named = a.get("id") in labelled or "label" in inside or a.get("aria-label")
            found += [] if named else [f"<{tag} name={a.get('name')}> has no label"]
        for reference in ("aria-labelledby", "aria-describedby", "for"):
            found += [f"{reference} {n} is nowhere" for n in (a.get(reference) or "").split() if n not in ids]
        if tag == "th" and a.get("scope") not in ("col", "row"):
            found.append("a <th> without scope")
        if tag in ("script", "style") or "style" in a or any(name.startswith("on") for name in a):
            found.append(f"<{tag}> brings a script or a style of its own")
        if tag == "nav" and not (a.get("aria-label") or a.get("aria-labelledby")):
            found.append("a <nav> without a name")
    levels = [int(tag[1]) for tag, _, _ in read.tags if re.fullmatch("h[1-6]", tag)]
    if levels[:1] != [1] or levels.count(1) != 1:
        found.append(f"headings begin otherwise than with one h1: {levels[:3]}")
    found += [f"h{b} follows h{a}" for a, b in pairwise(levels) if b > a + 1]
    if not next((a.get("lang") for tag, a, _ in read.tags if tag == "html"), None):
        found.append("the page does not say its language")
    return found
