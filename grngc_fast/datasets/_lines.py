"""Text files into lines and cells: encodings, gzip, quotes, and which character stands between cells."""

from __future__ import annotations

import csv
import gzip
import re
import zlib
from collections.abc import Sequence
from pathlib import Path

from ..errors import InputError
from ..series.frame import MISSING_MARKS, SHEET_ERRORS

_QUOTED_OR_WORD = re.compile(r'"[^"]*"|\S+')
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f]")
_ERRORS = tuple(SHEET_ERRORS)
# Thousands set apart by a blank that does not break, or by one in a quoted or delimited cell.
_SPACED_THOUSANDS = re.compile(
    r"(?<![\w.])\d{1,3}(?:[\u00a0\u202f\u2009]\d{3})+(?!\d)"
    r'|(?<=")[+-]?\d{1,3}(?: \d{3})+(?:[.,]\d+)?(?=")|(?<=;)[+-]?\d{1,3}(?: \d{3})+(?:,\d+)?(?=;)'
)
_GZIP = b"\x1f\x8b"
_KINDS = {
    b"PK\x03\x04": "a workbook or a zip archive",
    b"\xd0\xcf\x11\xe0": "an old workbook (.xls)",
    b"PAR1": "a Parquet file",
    b"\x89HDF": "an HDF5 file",
    b"\x93NUMPY": "a NumPy file (.npy)",
}
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")


def read_text(path: Path) -> tuple[str, str | None]:
    """The text of a file, unpacked if gzipped, its lines ended by a line feed; and a warning if its encoding was guessed.

    Raises
    ------
    InputError : what is not text, is empty, or is a web page.
    """
    raw = path.read_bytes()
    plain = path.suffix.lower() == ".gz" and raw[:2] != _GZIP and raw[:512].isascii() and b"\0" not in raw[:512]
    if raw[:2] == _GZIP or (path.suffix.lower() == ".gz" and not plain):
        try:
            raw = gzip.decompress(raw)
        except (OSError, EOFError, zlib.error) as error:
            raise InputError(f"{path} is not a complete gzip file ({error}); fetch or compress it again") from error
    kind = next((kind for start, kind in _KINDS.items() if raw.startswith(start)), None)
    if kind is not None:
        raise InputError(f"{path} is {kind} under the name of a text file; give it its right suffix, or save it as CSV")
    text, warning = _decoded(path, raw)
    del raw
    if plain and text.strip():
        warning = f"{path.name} is not packed, and was read as it is"
    if _CONTROL.search(text[:65536]) or "\0" in text:
        raise InputError(f"{path} holds binary data under the name of a text file; save the table as CSV or TSV")
    start = text[:65536].lstrip()
    if not start and not text.strip():
        raise InputError(f"{path} is empty; expected one row per time step and one column per series")
    if start.startswith("<"):
        raise InputError(f"{path} holds HTML or XML, not a table; download the file itself rather than its web page")
    if start.startswith(("{", "[{", "[[")):
        raise InputError(f"{path} holds JSON, not a table; save it as CSV, with a column for each series")
    text = text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text
    if _SPACED_THOUSANDS.search(text[:65536]):
        text = _SPACED_THOUSANDS.sub(lambda match: re.sub(r"[ \u00a0\u202f\u2009]", "", match[0]), text)
    # the typographic minus
    return (text.replace("\u2212", "-") if "\u2212" in text else text), warning


def _decoded(path: Path, raw: bytes) -> tuple[str, str | None]:
    if raw[:2] in _UTF_16:
        try:
            return raw.decode("utf-16"), None
        except UnicodeDecodeError as error:
            raise InputError(f"{path} is UTF-16 text cut short; save it as UTF-8 (in Excel: 'CSV UTF-8')") from error
    width = _width_of_nulls(raw[:1024])
    try:
        return raw.decode("utf-8-sig" if width is None else width).lstrip("\ufeff"), None
    except UnicodeDecodeError as error:
        try:
            if b"\0" in raw:
                raise error
            text = raw.decode("cp1252")
        except UnicodeDecodeError:
            raise InputError(
                f"{path} is not UTF-8 text (byte {error.start}); is it binary? Save it as UTF-8 text"
            ) from error
        around = text[max(0, error.start - 10) : error.start + 10].split("\n")[0].strip()
        return (
            text,
            f"{path.name} is not UTF-8 and was read as Windows-1252 ({around!r}); check the names, or save it as UTF-8",
        )


def _width_of_nulls(start: bytes) -> str | None:
    """The encoding of UTF-16 text without a byte-order mark."""
    if len(start) < 8:
        return None
    for encoding, nulls, others in (("utf-16-le", start[1::2], start[::2]), ("utf-16-be", start[::2], start[1::2])):
        if nulls.count(0) > 0.9 * len(nulls) and others.count(0) == 0:
            return encoding
    return None


def read_lines(path: Path) -> list[str]:
    """The lines of a text file; see `read_text`."""
    return read_text(path)[0].split("\n")


def is_comment(line: str, marks: tuple[str, ...]) -> bool:
    """Whether a line is no row; one that begins with `#N/A` or another error of a sheet is."""
    return line.startswith(marks) and not line.lstrip('"').lower().startswith(_ERRORS)


def split_cells(line: str, delimiter: str | None) -> list[str]:
    """The cells of one line, stripped of blanks and quotes; delimiter None is any run of blanks."""
    if '"' not in line:
        return [cell.strip() for cell in line.split(delimiter)]
    if delimiter is None:
        return [word.strip('"') for word in _QUOTED_OR_WORD.findall(line)]
    try:
        cells = next(csv.reader([line], delimiter=delimiter, skipinitialspace=True))
    except csv.Error:
        # a cell beyond csv's limit is no number: leave it to the message that names its line
        cells = line.split(delimiter)
    return [cell.strip() for cell in cells]


def find_delimiter(lines: Sequence[str]) -> str | None:
    """Of a list: tab, semicolon or comma, whichever cuts the first lines into equally many cells; None for blanks."""
    present = [d for d in ("\t", ";", ",") if len(split_cells(lines[0], d)) > 1]
    for delimiter in present:
        if len({len(split_cells(line, delimiter)) for line in lines[:3]}) == 1:
            return delimiter
    return present[0] if present else None


def is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return "_" not in cell


def is_text(cell: str) -> bool:
    """Neither a number nor a mark for a missing value."""
    return not is_number(cell) and cell.strip().lower() not in MISSING_MARKS
