"""`kontrib import` of what is no plain text: unpacked, or refused by the name of what it is."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import lzma
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import bson
import pytest

from tests.cli.conftest import Command
from tests.fakes.wiki.ingest import json_lines, record
from tests.fakes.world import World, store_of
from worker.core.week import Week

THREE = b"".join(json_lines([record(description=f"page {n}") for n in range(3)]))
MANY = b"".join(json_lines([record(description=f"page {n}") for n in range(5000)]))
OPEN_DOCUMENT = "application/vnd.oasis.opendocument.spreadsheet"
PACKERS: Mapping[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
}


def zipped(*names: str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name in names:
            is_type = name == "mimetype"
            archive.writestr(name, OPEN_DOCUMENT if is_type else "<content/>")
    return packed.getvalue()


def tarred() -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("contributions.csv"))
    return packed.getvalue()


FOREIGN = {
    "a workbook (xlsx)": zipped("[Content_Types].xml", "xl/workbook.xml"),
    "an OpenDocument file (ods)": zipped("mimetype", "content.xml"),
    "a document of Apple's (numbers)": zipped("Index/Document.iwa"),
    "a Word document (docx)": zipped("[Content_Types].xml", "word/document.xml"),
    "a zip archive": zipped("contributions.csv", "b.csv"),
    "an old workbook or Office document (xls)": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 500,
    "a PDF": b"%PDF-1.7\n1 0 obj\n",
    "rich text (RTF)": b"{\\rtf1\\ansi user_id}",
    "compressed with zstd": b"\x28\xb5\x2f\xfd\x04\x00",
    "compressed with lz4": b"\x04\x22\x4d\x18\x04\x00",
    "a 7z archive": b"7z\xbc\xaf\x27\x1c\0\x04",
    "a RAR archive": b"Rar!\x1a\x07\x01\0",
    "a tar archive": tarred(),
    "an SQLite database": b"SQLite format 3\0\x10\0",
    "Parquet": b"PAR1\x15\x04",
    "BSON, as mongodump writes it": bson.encode({"_id": bson.ObjectId(), **record()}) * 3,
    "an archive of mongodump": b"\x6d\xe2\x99\x81\x00",
    "XML or HTML": b"\n<?xml version='1.0'?><Workbook/>",
    "a PNG image": b"\x89PNG\r\n\x1a\n",
}


@pytest.mark.parametrize("kind", FOREIGN)
@pytest.mark.parametrize("wrap", [bytes, gzip.compress])
def test_another_kind_of_file_is_refused_by_its_name(
    kontrib: Command, tmp_path: Path, kind: str, wrap: Callable[[bytes], bytes]
) -> None:
    path = tmp_path / "contributions.csv"
    path.write_bytes(wrap(FOREIGN[kind]))
    assert kontrib("import", str(path)) == 2
    assert f"(it is {kind}" in kontrib.err


@pytest.mark.parametrize("packer", PACKERS)
def test_archives_are_told_by_content_whatever_their_name(
    kontrib: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, packer: str
) -> None:
    packed = PACKERS[packer](THREE)
    path = tmp_path / "contributions.jsonl"
    path.write_bytes(packed)
    assert kontrib.json("import", str(path))["added"] == 3
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(packed)))
    assert kontrib.json("import", "-")["already_there"] == 3


@pytest.mark.parametrize("packer", PACKERS)
def test_archives_one_behind_the_other_and_padding_are_read(
    kontrib: Command, tmp_path: Path, packer: str
) -> None:
    lines = THREE.splitlines(keepends=True)
    path = tmp_path / "parts"
    path.write_bytes(b"".join(map(PACKERS[packer], lines)) + b"\0" * 512)
    assert kontrib.json("import", str(path))["added"] == 3


@pytest.mark.parametrize("packer", PACKERS)
@pytest.mark.parametrize("damage", ["cut off", "garbage behind", "a part damaged", "only a head"])
def test_a_damaged_archive_is_named_and_everything_before_is_imported(
    kontrib: Command, tmp_path: Path, packer: str, damage: str
) -> None:
    packed = PACKERS[packer](MANY)
    middle = len(packed) // 2
    path = tmp_path / "damaged"
    path.write_bytes(
        {
            "cut off": packed[:-9],
            "garbage behind": packed + b"garbage behind the archive",
            "a part damaged": packed[:middle] + b"\xff" * 40 + packed[middle + 40 :],
            "only a head": packed[:8],
        }[damage]
    )
    shown = kontrib.json("import", str(path))
    assert kontrib.code == 1
    assert "breaks off" in kontrib.err
    assert shown["lines"] == shown["added"] + shown["malformed_count"]
    if damage == "garbage behind":
        assert (shown["added"], shown["malformed_count"]) == (5000, 1)


def test_a_row_that_an_archive_cuts_off_is_not_imported_half(
    kontrib: Command, tmp_path: Path
) -> None:
    rows = [f"u{n},review,2024-12-11,a long note of number {n}\n" for n in range(3000)]
    content = "user_id,type,created_at,description\n" + "".join(rows)
    packed = gzip.compress(content.encode())
    path = tmp_path / "cut.csv.gz"
    path.write_bytes(packed[: len(packed) // 2])
    first = kontrib.json("import", str(path))
    path.write_bytes(packed)
    second = kontrib.json("import", str(path))
    assert second["added"] + second["already_there"] == 3000
    assert second["already_there"] == first["added"]


def test_an_archive_inside_of_an_archive_is_named(kontrib: Command, tmp_path: Path) -> None:
    path = tmp_path / "twice.gz"
    path.write_bytes(gzip.compress(bz2.compress(THREE)))
    assert kontrib("import", str(path)) == 2
    assert "it is compressed with bzip2; unpack it first" in kontrib.err


def test_text_of_windows_1252_is_named_line_by_line(kontrib: Command, tmp_path: Path) -> None:
    path = tmp_path / "contributions.csv"
    rows = "user_id,type,created_at,description\nu1,review,2024-12-11,Übersicht\n"
    path.write_bytes((rows + "u2,review,2024-12-11,plain\n").encode("cp1252"))
    shown = kontrib.json("import", str(path))
    assert (kontrib.code, shown["added"]) == (1, 1)
    assert shown["malformed"][0]["line"] == 2
    assert "description is not UTF-8" in shown["malformed"][0]["reason"]
    assert "WINDOWS-1252" in shown["malformed"][0]["reason"]


def test_one_contribution_in_every_mode_of_mongoexport_is_one(
    kontrib: Command, tmp_path: Path
) -> None:
    canonical = (
        '{"_id":{"$oid":"6759600000000000000000a1"},"user_id":{"$oid":"507f1f77bcf86cd799439011"},'
        '"type":"review","quality_multiplier":{"$numberDouble":"1.5"},'
        '"total_points":{"$numberInt":"15"},"created_at":{"$date":{"$numberLong":"1733911200000"}}}'
    )
    modes = [
        canonical,
        canonical.replace('{"$numberDouble":"1.5"}', "1.5").replace('{"$numberInt":"15"}', "15"),
        canonical.replace('{"$numberLong":"1733911200000"}', '"2024-12-11T10:00:00.000Z"'),
        canonical.replace('{"$numberLong":"1733911200000"}', "1733911200000"),
        f"[{canonical}]",
        canonical.replace(",", ",\n\t").replace("{", "{\n\t", 1),
        "_id,user_id,type,quality_multiplier,total_points,created_at\n"
        "ObjectId(6759600000000000000000a1),ObjectId(507f1f77bcf86cd799439011),review,1.5,15,"
        "2024-12-11T10:00:00.000Z\n",
    ]
    path = tmp_path / "export"
    for number, content in enumerate(modes):
        path.write_text(content)
        shown = kontrib.json("import", str(path), "--create-users")
        assert (kontrib.code, shown["added"]) == (0, 1 if number == 0 else 0), content
        assert shown["points_differ_from_file"] == 0
        assert shown["lines"] == 1


def test_an_export_of_praise_is_imported_with_its_columns_renamed(
    kontrib: Command, world: World, tmp_path: Path
) -> None:
    """As Praise (givepraise/praise, packages/api2/_exports) writes it: ids, a score, a source."""
    names = ("_id", "giver", "forwarder", "user_id", "reason", "description", "score")
    names += ("sourceId", "sourceName", "created_at", "updated_at", "type")
    praised = [("2023-11-07T15:32:00.373Z", "b40d3"), ("2023-02-19T09:02:24.390Z", "b40dd")]
    written = io.StringIO()
    rows = csv.writer(written, quoting=csv.QUOTE_NONNUMERIC)
    rows.writerow(names)
    for moment, user in praised:
        ids = [f"63f30e09af023355f08{end}" for end in (user, "b40cf", "b40cf", user)]
        rows.writerow([*ids, "r", "d", 0, "a-b-c", "DISCORD", moment, moment, "review"])
    path = tmp_path / "praise.csv"
    path.write_text(written.getvalue())
    shown = kontrib.json("import", str(path), "--create-users")
    assert (kontrib.code, shown["added"]) == (0, 2)
    stored = store_of(world.first).state.contributions.values()
    weeks = {Week.containing(each["created_at"]).label for each in stored}
    assert weeks == {"2023-W07", "2023-W45"}
    assert len({each["user_id"] for each in stored}) == 2


def test_points_of_a_spreadsheet_are_compared_as_numbers(kontrib: Command, tmp_path: Path) -> None:
    path = tmp_path / "points.csv"
    rows = (
        "user_id;type;created_at;total_points\nu1;review;2024-12-11;10\nu2;review;2024-12-11;99\n"
    )
    path.write_text(rows)
    assert kontrib.json("import", str(path))["points_differ_from_file"] == 1


def test_a_closed_standard_input_is_named(
    kontrib: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", None)
    assert kontrib("import", "-") == 2
    assert "standard input is closed" in kontrib.err
