"""From the standard's server blocks of files to where they are read."""

from typing import Any

import pytest
from test_odcs_features import load, top

from schemas.contract import Source
from schemas.errors import ContractInvalid


def source(**server: Any) -> Source:
    options = server.pop("options", None)
    custom = [{"property": "options", "value": options, "vendor": "cityhub"}] if options else []
    return load(top(servers=[{"server": "s", **server, "customProperties": custom}])).source


@pytest.mark.parametrize(
    ("server", "wanted"),
    [
        ({"type": "local", "path": "a/*.csv", "format": "csv"}, ("csv", "file://", "a/*.csv")),
        (
            {"type": "sftp", "location": "sftp://h.example:2222/daily/证_?.csv.gz", "format": "csv"},
            ("csv", "sftp://h.example:2222", "daily/证_?.csv.gz"),
        ),
        ({"type": "s3", "location": "s3://b/p/*.parquet", "format": "parquet"}, ("parquet", "s3://b", "p/*.parquet")),
        (
            {"type": "custom", "location": "https://h.example/d/%E8%AF%81%20a.xlsx", "format": "xlsx"},
            ("xlsx", "https://h.example", "d/证 a.xlsx"),
        ),
    ],
)
def test_each_kind_of_server_says_where_its_files_are(server: dict[str, Any], wanted: tuple[str, str, str]) -> None:
    found = source(**server)
    assert (found.kind, found.url, found.table) == wanted


def test_what_the_standard_says_in_its_own_words_is_heeded() -> None:
    found = source(
        type="s3", location="s3://b/a.txt", format="tsv", encoding="GB18030", endpointUrl="https://s3.example",
        options={"region": "cn-east-1"},
    )  # fmt: skip
    assert found.encoding == "GB18030"
    assert found.options == {"endpoint": "https://s3.example", "delimiter": "\t", "region": "cn-east-1"}
    assert source(type="local", path="a.txt", format="tsv", options={"delimiter": ";"}).options == {"delimiter": ";"}


@pytest.mark.parametrize(
    "server",
    [
        {"type": "sftp", "location": "sftp://h.example/a.doc", "format": "doc"},
        {"type": "sftp", "location": "sftp://h.example/a.csv"},
        {"type": "s3", "location": "https://h.example/a.csv", "format": "csv"},
        {"type": "custom", "location": "ftp://h.example/a.csv", "format": "csv"},
    ],
)
def test_a_server_or_format_without_a_reader_is_refused(server: dict[str, Any]) -> None:
    with pytest.raises(ContractInvalid, match="has no connector"):
        source(**server)
