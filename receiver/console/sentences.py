"""The sentences of `sync.reports.trace.explain` in Portuguese, by their forms. One of another form stays as it is. Pure."""

import re
from collections.abc import Sequence

Form = tuple[re.Pattern[str], str]


def forms(*pairs: tuple[str, str]) -> tuple[Form, ...]:
    """Return pairs of an expression for parts of an English sentence, and of what stands for these in Portuguese."""
    return tuple((re.compile(english), portuguese) for english, portuguese in pairs)


def reworded(text: str, forms: Sequence[Form]) -> str:
    """Return `text` with all its parts of `forms` in Portuguese, in the order of these."""
    for english, portuguese in forms:
        text = english.sub(portuguese, text)
    return text


_STATUSES = {
    "queued": "em fila",
    "sent": "enviada",
    "delivered": "entregue",
    "failed": "falhou",
    "undeliverable": "impossível de entregar",
}
_STATUS = re.compile(rf"(?<![.\w])({'|'.join(_STATUSES)})\b(?!\.)")
# Parts of sentences, longest first, so that no form is taken for a part of another.
_FORMS = forms(
    (
        r", because (\S+) \(occurred ([^)]*)\) is the latest final event",
        r", porque \1 (ocorreu em \2) é o último evento final",
    ),
    (
        r", because (\S+) \(occurred ([^)]*)\) is the only event that says what became of it",
        r", porque \1 (ocorreu em \2) é o único evento que diz o que lhe aconteceu",
    ),
    (r"it outranks (\S+) \(occurred ([^)]*)\)", r"prevalece sobre \1 (ocorreu em \2)"),
    (
        r"(\S+) occurred at the same moment, and (\w+) ranks above (\w+)",
        r"\1 ocorreu no mesmo momento, e \2 está acima de \3",
    ),
    (
        r"No status, because only an opt-out is known: no event says what became of the message\.",
        "Sem estado, porque só se conhece uma recusa: nenhum evento diz o que aconteceu à mensagem.",
    ),
    (
        r"No status can be explained: the ledger has no fact of this message\.",
        "Não se explica nenhum estado: o livro não tem nenhum facto desta mensagem.",
    ),
    (
        r"(\S+) \(occurred ([^)]*)\) is a decision of the recipient and changes no status\.",
        r"\1 (ocorreu em \2) é uma decisão do destinatário e não muda nenhum estado.",
    ),
    (
        r"The opt-out names no address itself: it holds for the addresses that its message went to\.",
        "A recusa não diz o endereço: vale para os endereços a que a mensagem foi.",
    ),
    (
        r"The opt-out names no address and waits for its message to name one: until then it suppresses no person\.",
        "A recusa não diz o endereço e espera que a sua mensagem o diga: até lá não protege ninguém.",
    ),
    (
        r"Conflict: (.*) and (\w+) are final, and only one can be true\.",
        r"Conflito: \1 e \2 são finais, e só um pode ser verdade.",
    ),
    (
        r"names no time: it counts as occurred when it was received\.",
        "não diz a hora: conta como ocorrido quando foi recebido.",
    ),
    (r"is ignored: its type is unknown to this version\.", "é ignorado: esta versão não conhece o seu tipo."),
    (
        r"came with (\d+) different bodies: the one that occurred (.*) holds, and the others add only what it leaves out\.",
        r"veio com \1 corpos diferentes: vale o que ocorreu em \2, e os outros só acrescentam o que ele não diz.",
    ),
)


def in_portuguese(sentence: str) -> str:
    """Return `sentence` in Portuguese, as far as its form is known."""
    text = reworded(sentence, _FORMS)
    return sentence if text == sentence else _STATUS.sub(lambda match: _STATUSES[match[1]], text)
