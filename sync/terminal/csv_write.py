"""Writes several files that appear together or not at all."""

import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from sync.terminal.csv_file import FileError


def require_apart(read: Path, written: Sequence[Path]) -> None:
    """Raise FileError unless `written` are files of their own, none of which is `read`."""
    seen = [read]
    for path in written:
        _require_replaceable(path)
        if any(_is_same(path, other) for other in seen):
            raise FileError(f"{path} would be read and written, or written twice: give each file a name of its own")
        seen.append(path)


def _require_replaceable(path: Path) -> None:
    """Raise FileError unless `path` is a file, or a name that a file may have."""
    try:
        if path.exists() and not path.is_file():
            raise FileError(f"{path} is no file that could be replaced")
    except OSError as error:  # such as a name too long
        raise FileError(f"a file of this name cannot be written ({error.strerror})") from None


def _is_same(path: Path, other: Path) -> bool:
    if path.resolve() == other.resolve():
        return True
    return path.exists() and other.exists() and path.samefile(other)


@contextmanager
def written_together(paths: Sequence[Path]) -> Iterator[list[BinaryIO]]:
    """Yield a file for each of `paths`. They get their names, in this order, when the block ends without an exception.

    Until then they stand in the same folders under other names, and a file that has one of `paths` stays. Raises
    OSError, and FileError if something else than a file has one of `paths`.
    """
    for path in paths:
        _require_replaceable(path)
    targets = [Path(os.path.realpath(path)) for path in paths]
    parts = [target.with_name(f".zexa-{secrets.token_hex(8)}.part") for target in targets]
    try:
        with ExitStack() as stack:
            files: list[BinaryIO] = [stack.enter_context(part.open("xb")) for part in parts]
            yield files
            for file in files:
                file.flush()
                os.fsync(file.fileno())
        for part, target in zip(parts, targets, strict=True):
            if target.exists():
                part.chmod(target.stat().st_mode & 0o777)
            part.replace(target)
    finally:
        for part in parts:
            with suppress(OSError):
                part.unlink(missing_ok=True)
