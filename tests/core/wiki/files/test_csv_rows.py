"""CSV as spreadsheets and exports write it. A quote that never closes swallows nothing."""

from __future__ import annotations

import codecs

import pytest

from tests.core.wiki.files.reader import BLOCK_SIZES, blocks, records, users
from worker.core.wiki.files.reading import read_records
from worker.core.wiki.files.record import RECORD_BYTES_MAX, NotAContributionFile
from worker.core.wiki.files.source import BreaksOff

HEADER = "user_id,type,created_at,description\n"
ROWS = [f'u{n},review,2024-12-11T10:0{n}:00Z,"text, {n}"\n' for n in range(4)]
PLAIN = HEADER + "".join(ROWS)
NAMES = ["u0", "u1", "u2", "u3"]


def with_separator(separator: str) -> str:
    header = HEADER.replace(",", separator)
    return header + "".join(
        separator.join([f"u{n}", "review", f"2024-12-11T10:0{n}:00Z", f'"a{separator} b"']) + "\n"
        for n in range(4)
    )


DIALECTS = {
    "commas": PLAIN,
    "semicolons": with_separator(";"),
    "tabs": with_separator("\t"),
    "bars": with_separator("|"),
    "a line with the separator": "sep=;\r\n" + with_separator(";"),
    "an unusual separator, given": "sep=#\n" + with_separator("#"),
    "a quoted line with the separator": '"sep=;"\n' + with_separator(";"),
    "line ends of Windows": PLAIN.replace("\n", "\r\n"),
    "line ends of an old Mac": PLAIN.replace("\n", "\r"),
    "line ends written twice": PLAIN.replace("\n", "\r\r\n"),
    "mixed line ends": HEADER + ROWS[0] + ROWS[1].replace("\n", "\r") + ROWS[2] + ROWS[3].rstrip(),
    "byte order mark": "\ufeff" + PLAIN,
    "byte order mark and quotes": '\ufeff"user_id"' + PLAIN.removeprefix("user_id"),
    "blanks around the names": PLAIN.replace("user_id,type", " user_id , type"),
    "blank lines and empty rows": "\n" + HEADER + "\n,,,\n" + "".join(ROWS) + " \n,,,\n",
    "columns without a name": "".join(line + ",,\n" for line in PLAIN.splitlines()),
}


@pytest.mark.parametrize("block_size", BLOCK_SIZES)
@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_dialect_is_read(dialect: str, block_size: int) -> None:
    assert users(DIALECTS[dialect], block_size) == NAMES


@pytest.mark.parametrize("block_size", BLOCK_SIZES)
@pytest.mark.parametrize(
    "encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be"]
)
def test_every_unicode_encoding_is_read(encoding: str, block_size: int) -> None:
    mark = codecs.BOM_UTF16_BE if encoding == "utf-16-be" else b""
    mark = codecs.BOM_UTF32_BE if encoding == "utf-32-be" else mark
    content = PLAIN.replace("text", "тэкст 𝄞")
    found = records(mark + content.encode(encoding), block_size)
    assert [each.values["description"] for each in found] == [f"тэкст 𝄞, {n}" for n in range(4)]


def test_utf16_that_ends_inside_of_a_character_breaks_off() -> None:
    found = records(PLAIN.encode("utf-16")[:-1])
    assert [each.problem is None for each in found] == [True, True, True, False]
    assert "breaks off here" in str(found[-1].problem)


def test_a_cell_keeps_its_line_breaks() -> None:
    content = HEADER + 'u0,review,2024-12-11,"first\r\nsecond\n\nlast"\n' + ROWS[1]
    found = records(content)
    assert found[0].values["description"] == "first\r\nsecond\n\nlast"
    assert [each.line for each in found] == [2, 6]


@pytest.mark.parametrize(
    ("cell", "problem"),
    [
        ('"27 inch', "a quote that opens in this line does not close"),
        ('"27 inch""', "a quote that opens in this line does not close"),
        ('"27" inch', "a quote in this line closes before its cell ends"),
    ],
)
@pytest.mark.parametrize("block_size", BLOCK_SIZES)
def test_a_quote_that_never_closes_swallows_nothing(
    cell: str, problem: str, block_size: int
) -> None:
    rows = [f"u{n},review,2024-12-11T10:00:00Z,note {n}\n" for n in range(300)]
    rows[2] = f"u2,review,2024-12-11T10:00:00Z,{cell}\n"
    found = records(HEADER + "".join(rows), block_size)
    assert len(found) == 300
    assert [(each.line, each.problem) for each in found if each.problem] == [(4, problem)]


def test_two_stray_quotes_do_not_pair_up() -> None:
    rows = [f"u{n},review,2024-12-11T10:00:00Z,note {n}\n" for n in range(9)]
    rows[2] = 'u2,review,2024-12-11T10:00:00Z,"27 inch\n'
    rows[5] = 'u5,review,2024-12-11T10:00:00Z,27"\n'
    expected = ["u0", "u1", "4!", *(f"u{n}" for n in range(3, 9))]
    assert users(HEADER + "".join(rows)) == expected


def test_a_stray_quote_in_the_last_row_is_named() -> None:
    assert users(PLAIN + 'u4,review,2024-12-11,"open') == [*NAMES, "6!"]


def test_quotes_everywhere_and_one_missing() -> None:
    rows = [f'"u{n}","review","2024-12-11","note"\n' for n in range(5)]
    rows[2] = '"u2","review","2024-12-11","note\n'
    assert users(HEADER + "".join(rows)) == ["u0", "u1", "4!", "u3", "u4"]


def test_a_dated_list_in_a_cell_is_no_row() -> None:
    text = "changes:\n2024-12-10, more links, fewer typos\nby u7, 2024-12-11\n"
    (found,) = records(HEADER + f'u0,review,2024-12-11,"{text}"\n')
    assert found.values["description"] == text


def test_rows_with_too_many_or_too_few_cells_are_named() -> None:
    assert users(HEADER + "u0,review\n" + ROWS[1] + "u2,review,2024-12-11,a,b\n") == [
        "2!",
        "u1",
        "4!",
    ]


def test_a_line_beyond_the_limit_is_named_and_the_next_one_read() -> None:
    long = f"u0,review,2024-12-11,{'x' * (2 * RECORD_BYTES_MAX)}\n"
    assert users(HEADER + long + ROWS[1]) == ["2!", "u1"]
    quoted = f'u0,review,2024-12-11,"{"x" * 1000}\n' + ("y" * 1000 + "\n") * 1100
    found = records(HEADER + quoted + ROWS[1])
    assert (found[0].line, found[-1].values["user_id"]) == (2, "u1")
    assert len(found) == 1102


def test_a_long_cell_is_read() -> None:
    (found,) = records(HEADER + f'u0,review,2024-12-11,"{"x" * 300_000}"\n')
    assert len(found.values["description"]) == 300_000


@pytest.mark.parametrize(
    ("cell", "value"),
    [("7", 7), ("0", 0), ("0012345", "0012345"), ("+1", "+1"), ("1" * 19, "1" * 19), ("٣", "٣")],
)
def test_a_number_of_the_metadata_is_one_only_if_it_is_written_as_one(
    cell: str, value: object
) -> None:
    (found,) = records(f"user_id,type,created_at,metadata.rev\nu,review,2024-12-11,{cell}\n")
    assert found.values["metadata"] == {"rev": value}


@pytest.mark.parametrize(
    "header",
    [
        "user_id,type,created_at,user_id\n",
        "user_id,type,created_at,note, note \n",
        "user_id,type,created_at,metadata.a,metadata.a\n",
    ],
)
def test_a_column_that_stands_twice_is_refused(header: str) -> None:
    with pytest.raises(NotAContributionFile, match="stands twice in its header"):
        records(header + "a,b,c,d,e\n")


def test_metadata_that_is_given_twice_is_named() -> None:
    header = "user_id,type,created_at,metadata,metadata.a\n"
    (found,) = records(header + 'u,review,2024-12-11,"{""a"": 1}",2\n')
    assert found.problem == "metadata has 'a' twice"


def test_a_missing_column_is_named() -> None:
    with pytest.raises(NotAContributionFile, match="its header has no created_at"):
        records("user_id;type;date\nu;review;2024-12-11\n")


def test_a_last_row_that_breaks_off_is_not_taken_for_a_whole_one() -> None:
    def broken_source() -> object:
        yield from blocks(PLAIN.encode()[:-4], 20)
        raise BreaksOff("cut off")

    found = list(read_records(broken_source()))  # type: ignore[arg-type]
    assert [each.problem is None for each in found] == [True, True, True, False]
    assert found[-1].line == 5
