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
_STATUS = re.compile(rf"(?<![.\w])({'|'.join(_STATUSES)})\b(?!\.\w)")
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
    (
        r", because (\S+) \(occurred ([^)]*)\) is the latest event",
        r", porque \1 (ocorreu em \2) é o último evento",
    ),
    (r"(\S+) \(occurred ([^)]*)\) is not final", r"\1 (ocorreu em \2) não é final"),
    (r"it outranks (\S+) \(occurred ([^)]*)\)", r"prevalece sobre \1 (ocorreu em \2)"),
    (
        r"(\S+) occurred at the same moment, and (\w+) ranks above (\w+)",
        r"\1 ocorreu no mesmo momento, e \2 está acima de \3",
    ),
    (
        r"(\S+) occurred at the same moment, and what is signed goes before what was asked for",
        r"\1 ocorreu no mesmo momento, e o que é assinado vale mais do que o que foi perguntado",
    ),
    (
        r"No status and no row, because no fact says anything of a message that this version knows\.",
        "Sem estado e sem linha, porque nenhum facto diz de uma mensagem algo que esta versão conheça.",
    ),
    (
        r"The row is missing: message_status has none, though these facts make one\.",
        "Falta a linha: message_status não tem nenhuma, embora estes factos deem uma.",
    ),
    (
        r"The stored row differs from what these facts make in (.*): it was changed by other means, "
        r"or applied with another ZEXA_DEFAULT_REGION\.",
        r"A linha guardada difere do que estes factos dão em \1: foi mudada por outros meios, "
        r"ou aplicada com outra ZEXA_DEFAULT_REGION.",
    ),
    (
        r"is of a campaign, so it makes no row of message_status\.",
        "é de uma campanha, por isso não dá nenhuma linha de message_status.",
    ),
    (
        r"is of no message by its id, so it makes no row of message_status\.",
        "não é de nenhuma mensagem com id, por isso não dá nenhuma linha de message_status.",
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
    (
        r"names no time: it counts as occurred when it was asked for\.",
        "não diz a hora: conta como ocorrido quando foi perguntado.",
    ),
    (r"is ignored: its type is unknown to this version\.", "é ignorado: esta versão não conhece o seu tipo."),
    (
        r"came with (\d+) different bodies: the one that occurred (.*) holds, and the others add only what it leaves out\.",
        r"veio com \1 corpos diferentes: vale o que ocorreu em \2, e os outros só acrescentam o que ele não diz.",
    ),
    (r", asked for, not signed\)", ", perguntado, não assinado)"),
    (r"^An event without a type ", "Um evento sem tipo "),
)


def in_portuguese(sentence: str) -> str:
    """Return `sentence` in Portuguese, as far as its form is known."""
    text = reworded(sentence, _FORMS)
    return sentence if text == sentence else _STATUS.sub(lambda match: _STATUSES[match[1]], text)
