"""Makes cells of CSV files safe to show: in a spreadsheet, which runs formulas, and in a message. Pure."""

import re
from collections.abc import Sequence

from sync.terminal.text import visible

# With these a spreadsheet begins a formula: https://owasp.org/www-community/attacks/CSV_Injection. A cell that looks
# defused already gets one apostrophe more, so that taking one off always gives the cell as it was.
_FORMULA = re.compile(r"'*[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
# A spreadsheet takes it for a number, so it needs no apostrophe, with which other programs could not read it.
_NUMBER = re.compile(r"\+[0-9]{1,20}", re.ASCII)

_COLUMNS_SHOWN_MAX = 20
_NAME_CHARACTERS_MAX = 40
# What has so many digits, or an @, is no name of a column but somebody's address.
_DATA = re.compile(r"@|(?:[0-9][^0-9]*){5}")


def defused(cell: str) -> str:
    """Return `cell` so that no spreadsheet takes it for a formula; a telephone number stays as it is."""
    return f"'{cell}" if _FORMULA.match(cell) and not _NUMBER.fullmatch(cell) else cell


def as_it_was(cell: str) -> str:
    """Return the cell of which `defused` made `cell`."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


def columns_text(header: Sequence[str]) -> str:
    """Return which columns a file has, to stand behind a sentence; of a first row that holds data, only that."""
    if not any(map(str.strip, header)):
        return ""
    if any(map(_DATA.search, header)):
        return ": it seems to hold data, not the names of columns"
    names = [visible(name.strip())[:_NAME_CHARACTERS_MAX] for name in header[:_COLUMNS_SHOWN_MAX]]
    more = f" and {len(header) - len(names):,} more" if len(header) > len(names) else ""
    return f"; it has {', '.join(names)}{more}"
