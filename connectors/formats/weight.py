"""How much an archive may unpack to: more than this is no delivery but a bomb, refused before or while it is unpacked."""

from schemas.errors import SourceDamaged

MOST_RATIO = 200
SMALL = 64 << 20


def weigh(unpacked: int, packed: int, most: int, where: str) -> None:
    """Refuse more than `most` bytes, or more than `SMALL` if that is over `MOST_RATIO` times the packed size."""
    if unpacked > most or (unpacked > SMALL and unpacked > MOST_RATIO * max(packed, 1)):
        raise SourceDamaged(
            f"{where} would unpack to {unpacked >> 20} MiB, {unpacked // max(packed, 1)} times its size",
            todo="ask for smaller files, or for the file as it is, not packed",
        )
