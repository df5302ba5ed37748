"""The type of the fixture `run`."""

from collections.abc import Callable

Run = Callable[..., tuple[int, str, str]]
"""Runs `hub WORDS…` in this process: exit code, standard output, standard error."""
