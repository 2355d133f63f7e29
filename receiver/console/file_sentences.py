"""What is said of a list that cannot be read, or of a row of one, in Portuguese. Pure."""

from receiver.console.sentences import forms, reworded

_FORMS = forms(
    (
        r"the file's first row has no column of that name",
        "a primeira linha do ficheiro não tem coluna com esse nome",
    ),
    (
        r"the file's first row has no column (address, .*?, to)(?=[:;]|$)",
        r"a primeira linha do ficheiro não tem coluna \1",
    ),
    (r": it seems to hold data, not the names of columns$", ": parece ter dados, e não os nomes das colunas"),
    (r"; it has (.*) and ([0-9,]+) more$", r"; tem \1 e mais \2"),
    (r"; it has ", "; tem "),
    (
        r"the file's first line names a delimiter that is none of",
        "a primeira linha do ficheiro nomeia um separador que não é nenhum de",
    ),
    (r"the file has the columns (.*): say which one is meant", r"o ficheiro tem as colunas \1: diga qual é"),
    (
        r"the file's first row has this column more than once",
        "a primeira linha do ficheiro tem esta coluna mais de uma vez",
    ),
    (
        r"the file's first row has the column (\w+) more than once",
        r"a primeira linha do ficheiro tem a coluna \1 mais de uma vez",
    ),
    (
        r"the file is a workbook, an archive or a document: save the sheet as CSV in UTF-8 instead",
        "o ficheiro é um livro do Excel, um arquivo ou um documento: guarde a folha como CSV em UTF-8",
    ),
    (
        r"the file begins as UTF-16 and goes on as something else",
        "o ficheiro começa em UTF-16 e continua noutra codificação",
    ),
    (
        r"the file's first line holds NUL characters: save the list as CSV in UTF-8",
        "a primeira linha do ficheiro tem caracteres NUL: guarde a lista como CSV em UTF-8",
    ),
    (
        r"from line ([0-9,]+) on quotes are so broken that rows cannot be told apart",
        r"a partir da linha \1 as aspas estão tão erradas que não se distinguem as linhas",
    ),
    (r"line ([0-9,]+) is longer than ([0-9,]+) bytes", r"a linha \1 tem mais de \2 bytes"),
    (
        r"the row cannot be read or has not the columns of the header",
        "a linha não se consegue ler ou não tem as colunas do cabeçalho",
    ),
    (r"^the address is none: ", "o endereço não é nenhum: "),
    (r"^(\w+) is no text that can be kept", r"\1 não é um texto que se possa guardar"),
    (r"^(\w+) is no time such as", r"\1 não é uma hora como"),
    (r"\bno address$", "sem endereço"),
    (
        r"no telephone number has this country code and length",
        "nenhum número de telefone tem este indicativo e este comprimento",
    ),
    (r"an extension or a second number", "uma extensão ou um segundo número"),
    (r"two addresses", "dois endereços"),
    (r"hidden characters", "caracteres escondidos"),
    (r"a decimal number", "um número decimal"),
    (r"a WhatsApp id without a number", "um id do WhatsApp sem número"),
    (r"an address of another channel", "um endereço de outro canal"),
    (r"too long or no text", "demasiado longo ou não é texto"),
)


def file_sentence_in_portuguese(sentence: str) -> str:
    """Return `sentence` in Portuguese, as far as its form is known."""
    return reworded(sentence, _FORMS)
