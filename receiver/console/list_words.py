"""Why a list cannot be read, or what was asked of it cannot be done, in words of the person's language."""

from markupsafe import Markup

from receiver.console.file_sentences import file_sentence_in_portuguese
from receiver.console.language import _, language
from receiver.console.needs import held_by_text
from sync.opt_outs.list_tasks import STALE
from sync.terminal.text import visible


def sentence_text(sentence: str) -> str:
    """Return what is said of a file, or of a row of one."""
    return visible(file_sentence_in_portuguese(sentence) if language() == "pt" else sentence)


def list_failure_text(failure: str) -> Markup | str:
    """Return why a task of a list failed."""
    kind, _colon, held_by = failure.partition(":")
    if kind != STALE:
        return sentence_text(failure)
    why = held_by_text(held_by or None)
    return _(
        "It cannot be known now who has opted out ({why}), so no list was made. Try again once that is over.", why=why
    )
