"""Ten times as many requests as there are places, over real sockets: some are told to come again, nobody waits long, every answer is audited."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Iterator

import pytest
from browsing import served
from serving_city import ID, PURPOSE, SIGNER, City

from access.audit_verify import verify
from ledger import audit as audit_store

PLACES, CONNECTIONS, EACH = 8, 80, 12
BODY = json.dumps({"form": "hk_macao_permit_renewal", "subject": ID, "purpose": PURPOSE, "case": "2026-17"}).encode()


@pytest.fixture
def port(city: City) -> Iterator[int]:
    with served(city.with_services(places=PLACES)) as address:
        yield int(address.rpartition(":")[2])


async def crowd(port: int, token: str) -> tuple[Counter[int], float, list[bytes]]:
    """Statuses, the longest wait, and the bodies of what was refused."""
    head = (
        f"POST /v1/prefill HTTP/1.1\r\nHost: hub\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n"
    )
    request = f"{head}Content-Length: {len(BODY)}\r\n\r\n".encode() + BODY
    statuses: Counter[int] = Counter()
    refusals: list[bytes] = []
    longest = 0.0

    async def one() -> None:
        nonlocal longest
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(EACH):
            began = time.monotonic()
            writer.write(request)
            lines = (await reader.readuntil(b"\r\n\r\n")).lower().split(b"\r\n")
            size = next(int(line.partition(b":")[2]) for line in lines if line.startswith(b"content-length"))
            body = await reader.readexactly(size)
            longest = max(longest, time.monotonic() - began)
            statuses[int(lines[0].split()[1])] += 1
            if b" 200" not in lines[0]:
                assert any(line.startswith(b"retry-after") for line in lines)
                refusals.append(body)
        writer.close()
        await writer.wait_closed()

    await asyncio.gather(*(one() for _ in range(CONNECTIONS)))
    return statuses, longest, refusals


def test_ten_times_too_many_are_turned_away_soon_and_no_answer_lacks_its_entry(city: City, port: int) -> None:
    statuses, longest, refusals = asyncio.run(crowd(port, city.token()))
    assert set(statuses) == {200, 429}
    assert statuses.total() == CONNECTIONS * EACH
    assert statuses[429] > 0
    assert longest < 10, "a line that grows would make the last one wait for all the others"
    assert all("林小满".encode() not in body for body in refusals)
    entries = [json.loads(link.body) for link in audit_store.links(city.audit)]
    assert sum(e.get("result") == "answered" for e in entries) == statuses[200]
    assert verify(city.audit, [SIGNER.public_pem]).ok
