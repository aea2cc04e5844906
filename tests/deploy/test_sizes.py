"""The guard of sizes names everything that is too large, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy import sizes


def write(root: Path, path: str, text: str) -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text)


def body(lines: int) -> str:
    return "\n".join(["    pass"] * lines) + "\n"


def test_a_tree_within_the_limits_passes(tmp_path: Path) -> None:
    write(tmp_path, "worker/most.py", "x = 1\n" * 300)
    write(tmp_path, "worker/parts.py", f"class A:\n{body(149)}\ndef f():\n{body(49)}")
    for number in range(15):
        write(tmp_path, f"tests/many/m{number}.py", "")
    write(tmp_path, "tests/test_long.py", "x = 1\n" * 301)

    assert sizes.beyond_limits(tmp_path) == []


@pytest.mark.parametrize("top", sizes.FOLDERS)
def test_a_folder_of_sixteen_modules_is_named(tmp_path: Path, top: str) -> None:
    write(tmp_path, f"{top}/room/__init__.py", "")
    for number in range(15):
        write(tmp_path, f"{top}/room/m{number}.py", "")

    assert sizes.beyond_limits(tmp_path) == [f"{top}/room/: 16 modules, at most 15"]


@pytest.mark.parametrize("top", sizes.CODE)
def test_javascript_has_the_limits_of_modules_and_folders(tmp_path: Path, top: str) -> None:
    write(tmp_path, f"{top}/room/big.mjs", "x();\n" * 301)
    for number in range(15):
        write(tmp_path, f"{top}/room/m{number}.mjs", "")

    assert sizes.beyond_limits(tmp_path) == [
        f"{top}/room/: 16 modules, at most 15",
        f"{top}/room/big.mjs: 301 lines, at most 300",
    ]


@pytest.mark.parametrize("top", sizes.CODE)
@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("x = 1\n" * 301, ": 301 lines, at most 300"),
        (f"class A:\n{body(150)}", ":1: class A has 151 lines, at most 150"),
        (f"x = 1\ndef f():\n{body(50)}", ":2: function f has 51 lines, at most 50"),
        (f"async def f():\n{body(50)}", ":1: function f has 51 lines, at most 50"),
        (
            "class A:\n    def f():\n" + body(50).replace("    pass", " " * 8 + "pass"),
            ":2: function f has 51 lines, at most 50",
        ),
    ],
    ids=["module", "class", "function", "coroutine", "method"],
)
def test_a_large_part_is_named(tmp_path: Path, top: str, text: str, found: str) -> None:
    write(tmp_path, f"{top}/room/big.py", text)

    assert sizes.beyond_limits(tmp_path) == [f"{top}/room/big.py{found}"]


def test_the_command_prints_each_place_and_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sizes, "ROOT", tmp_path)
    write(tmp_path, "config/big.py", "x = 1\n" * 301)

    assert sizes.main() == 1
    assert capsys.readouterr().out == "config/big.py: 301 lines, at most 300\n"

    write(tmp_path, "config/big.py", "x = 1\n")
    assert sizes.main() == 0
