r"""JSON's escapes for characters beyond U+FFFF come in pairs; half of one is told, wherever a block of the file happens to end."""

import json
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.formats.surrogates import WholeCharacters
from schemas.errors import SourceDamaged

PIECES = st.sampled_from(
    ["\\ud83d", "\\udE00", "\\uD83D\\ude00", "\\\\", "\\n", '\\"', "\\u4e2d", "x", "u", "d83d", "中"]
)


def refused(text: bytes, size: int) -> bool:
    file = WholeCharacters(BytesIO(text), "x.json")
    seen = b""
    try:
        while block := file.read(size):
            seen += block
    except SourceDamaged:
        return True
    assert seen == text
    return False


@given(st.lists(PIECES, max_size=12), st.integers(1, 20))
def test_half_a_character_is_refused_and_nothing_else_whatever_the_blocks(pieces: list[str], size: int) -> None:
    text = f'"{"".join(pieces)}"'
    try:
        json.loads(text).encode()
        whole = True
    except UnicodeEncodeError:
        whole = False
    assert refused(text.encode(), size) != whole


def test_the_message_names_the_file_and_no_value() -> None:
    with pytest.raises(SourceDamaged, match=r"^x\.json: .*lone surrogate.* → "):
        WholeCharacters(BytesIO(b'"secret \\ud800"'), "x.json").read()
