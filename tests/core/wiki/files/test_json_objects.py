"""JSON in every layout that exports have, and what becomes of a broken object."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest

from tests.core.wiki.files.reader import BLOCK_SIZES, blocks, records, users
from worker.core.wiki.files.reading import read_records
from worker.core.wiki.files.record import RECORD_BYTES_MAX
from worker.core.wiki.files.source import BreaksOff

DESCRIPTIONS = ("plain", '"quoted"', "a }, { in text", "line\nbreak", "[1, 2]", "\\", "é")


def made(count: int) -> list[dict[str, object]]:
    return [
        {
            "_id": f"{number:024x}",
            "user_id": f"u{number}",
            "description": DESCRIPTIONS[number % len(DESCRIPTIONS)],
            "metadata": {"list": [{"a": 1}, {"b": {"c": []}}], "empty": {}},
        }
        for number in range(count)
    ]


def names(count: int) -> list[str]:
    return [f"u{number}" for number in range(count)]


def lines(documents: Sequence[object]) -> str:
    return "".join(json.dumps(each) + "\n" for each in documents)


LAYOUTS = {
    "lines": lines(made(9)),
    "lines without the last end": lines(made(9)).rstrip(),
    "lines of Windows": lines(made(9)).replace("\n", "\r\n"),
    "lines of an old Mac": lines(made(9)).replace("\n", "\r"),
    "blank lines between": "\n\n" + lines(made(9)).replace("\n", "\n \n"),
    "byte order mark": "\ufeff" + lines(made(9)),
    "pretty": "\n".join(json.dumps(each, indent=2) for each in made(9)),
    "pretty with tabs": "\n".join(json.dumps(each, indent="\t") for each in made(9)),
    "pretty without indentation": "\n".join(json.dumps(each, indent=0) for each in made(9)),
    "one behind the other": "".join(json.dumps(each) for each in made(9)),
    "array in one line": json.dumps(made(9)),
    "array by lines": "[" + ",\n".join(json.dumps(each) for each in made(9)) + "]\n",
    "pretty array": json.dumps(made(9), indent=4),
    "array of mongoexport": "[" + ",\n".join(json.dumps(e, indent="\t") for e in made(9)) + "]\n",
    "two arrays": json.dumps(made(9)[:4]) + "\n" + json.dumps(made(9)[4:], indent=1),
}


@pytest.mark.parametrize("block_size", BLOCK_SIZES)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_is_read(layout: str, block_size: int) -> None:
    assert users(LAYOUTS[layout], block_size) == names(9)


def test_values_are_what_json_says() -> None:
    (found,) = records(json.dumps(made(1), indent=2))
    assert found.values == made(1)[0]


def test_a_record_is_named_by_the_line_where_it_begins() -> None:
    found = records("\n".join(json.dumps(each, indent=2) for each in made(3)))
    height = len(json.dumps(made(1)[0], indent=2).splitlines())
    assert [each.line for each in found] == [1, 1 + height, 1 + 2 * height]


@pytest.mark.parametrize(
    "broken",
    [
        "{broken",
        "{}}",
        '{"user_id": "x"} text',
        '{"user_id": "x", ',
        '{"user_id":',
        '{"user_id": "x',
        '{"user_id": ["x"',
        '{"user_id": "x", "user_id": "y"}',
        '{"metadata": {"a": 1, "a": 1}}',
        '{"a": ' + "9" * 5000 + "}",
        "[" * 3000,
        '{"a": ' * 3000,
        "null",
        '"text"',
        "17",
        "[1]",
        "}",
        "]",
        "text",
        "{'user_id': 'x'}",
        '{ _id: ObjectId("507f1f77bcf86cd799439011") }',
    ],
)
@pytest.mark.parametrize("block_size", BLOCK_SIZES)
def test_a_broken_line_is_one_record_and_the_others_are_read(broken: str, block_size: int) -> None:
    whole = lines(made(4)).splitlines()
    content = "\n".join([*whole[:2], broken, *whole[2:]])
    assert users(content, block_size) == ["u0", "u1", "3!", "u2", "u3"]


@pytest.mark.parametrize("damage", ['"x": bad', '"x": 1 "y"', '"x": "open', "{", '"user_id": 1'])
def test_a_broken_object_of_many_lines_is_named_once(damage: str) -> None:
    pretty = [json.dumps(each, indent=2) for each in made(4)]
    pretty[1] = pretty[1].replace('"empty": {}', f'"empty": {{}}\n  }},\n  "m": {{\n    {damage}')
    height = len(pretty[0].splitlines())
    if damage != '"user_id": 1':
        assert users("\n".join(pretty)) == ["u0", f"{height + 1}!", "u2", "u3"]
        assert users("[" + ",\n".join(pretty) + "]") == ["u0", f"{height + 1}!", "u2", "u3"]
    else:
        assert users("\n".join(pretty)) == names(4)


def test_a_broken_object_of_a_long_array_swallows_no_other() -> None:
    content = json.dumps(made(3000)).replace('"user_id": "u17"', '"user_id": "u17', 1)
    assert users(content) == [name if name != "u17" else "1!" for name in names(3000)]


def test_an_object_that_is_too_long_in_an_array_swallows_no_other() -> None:
    documents = made(5)
    documents[2]["description"] = "x" * (3 * RECORD_BYTES_MAX)
    found = records(json.dumps(documents))
    assert [each.problem is None for each in found] == [True, True, False, True, True]
    assert "longer than" in str(found[2].problem)


def test_an_array_that_does_not_close_is_cut_off() -> None:
    assert users(json.dumps(made(3))[:-1]) == ["u0", "u1", "u2", "1!"]
    assert users("[\n") == ["2!"]
    assert users("[]\n") == []


def test_a_key_that_stands_twice_is_named() -> None:
    (found,) = records('{"user_id": "a", "metadata": {"n": 1, "n": 2}}')
    assert found.problem == "the key 'n' stands twice"


def test_a_file_that_breaks_off_keeps_what_is_whole() -> None:
    def broken_source() -> object:
        yield from blocks(lines(made(3)).encode()[:-10], 50)
        raise BreaksOff("the disk is gone")

    found = list(read_records(broken_source()))  # type: ignore[arg-type]
    assert [each.problem is None for each in found] == [True, True, False, False]
    assert "breaks off here (the disk is gone)" in str(found[-1].problem)


def test_bytes_that_are_no_utf8_are_kept_for_the_field_that_has_them() -> None:
    (found,) = records(b'{"user_id": "u1", "other": "\xe4"}')
    assert found.values == {"user_id": "u1", "other": "\udce4"}
