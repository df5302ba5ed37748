"""A stream as a file that can be sought in, without a name, so that nothing of it is left behind whatever happens."""

import tempfile
from collections.abc import Iterable
from typing import BinaryIO, cast


def spooled(chunks: Iterable[bytes]) -> BinaryIO:
    """A file that holds the chunks, at its start; the caller closes it."""
    file = cast("BinaryIO", tempfile.TemporaryFile())  # noqa: SIM115
    try:
        file.writelines(chunks)
    except BaseException:
        file.close()
        raise
    file.seek(0)
    return file
