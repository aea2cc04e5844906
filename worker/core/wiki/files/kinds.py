"""Names what a file is by its first bytes, where it is no text: its name may say anything."""

from __future__ import annotations

_AS_CSV = "save its sheet as CSV UTF-8"
_UNPACK = "unpack it first"
_SIGNATURES = (
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", f"an old workbook or Office document (xls); {_AS_CSV}"),
    (b"%PDF", "a PDF"),
    (b"{\\rtf", "rich text (RTF); save it as plain text"),
    (b"\x1f\x8b", f"compressed with gzip; {_UNPACK}"),
    (b"BZh", f"compressed with bzip2; {_UNPACK}"),
    (b"\xfd7zXZ\0", f"compressed with xz; {_UNPACK}"),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd; unpack it with `zstd -d`"),
    (b"\x04\x22\x4d\x18", "compressed with lz4; unpack it with `lz4 -d`"),
    (b"LZIP", "compressed with lzip; unpack it with `lzip -d`"),
    (b"\x1f\x9d", "compressed with compress (Z); unpack it with `gzip -d`"),
    (b"\xff\x06\0\0sNaPpY", f"compressed with snappy; {_UNPACK}"),
    (b"7z\xbc\xaf\x27\x1c", f"a 7z archive; {_UNPACK}"),
    (b"Rar!\x1a\x07", f"a RAR archive; {_UNPACK}"),
    (b"\x6d\xe2\x99\x81", "an archive of mongodump; use mongoexport"),
    (b"SQLite format 3\0", "an SQLite database"),
    (b"PAR1", "Parquet"),
    (b"ARROW1", "Arrow"),
    (b"Obj\x01", "Avro"),
    (b"ORC", "ORC"),
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"<", f"XML or HTML; if a spreadsheet wrote it, {_AS_CSV}"),
)
_IN_ZIP = (
    (b"mimetypeapplication/vnd.oasis.opendocument", f"an OpenDocument file (ods); {_AS_CSV}"),
    (b"xl/", f"a workbook (xlsx); {_AS_CSV}"),
    (b"Index/", f"a document of Apple's (numbers); {_AS_CSV}"),
    (b"word/", "a Word document (docx)"),
    (b"[Content_Types].xml", f"an Office document (xlsx or docx); {_AS_CSV}"),
)
_TAR_MAGIC_AT = 257
_BSON_TYPES = range(0x01, 0x14)


def foreign_kind(head: bytes) -> str | None:
    """What the file is and what to do with it; None for text.

    `head` is the first bytes of the file, at least 300 of a longer one.
    """
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        named = (kind for mark, kind in _IN_ZIP if mark in head)
        return next(named, f"a zip archive; {_UNPACK}")
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    for signature, kind in _SIGNATURES:
        if start.startswith(signature) or head.startswith(signature):
            return kind
    if head[_TAR_MAGIC_AT:].startswith(b"ustar"):
        return f"a tar archive; {_UNPACK}"
    if _is_bson(head):
        return "BSON, as mongodump writes it; use mongoexport or bsondump"
    return None


def _is_bson(head: bytes) -> bool:
    """A document begins with its length in bytes, and ends with a zero byte there."""
    length = int.from_bytes(head[:4], "little")
    if len(head) < 5 or length < 5 or head[4] not in _BSON_TYPES or head[3]:
        return False
    return length > len(head) or head[length - 1] == 0
