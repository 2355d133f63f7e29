"""`python -m receiver gunicorn …` is `gunicorn …` for which an empty setting counts as unset, as everywhere.

gunicorn reads WEB_CONCURRENCY before it reads our configuration, and ends with a traceback if that is no number.
"""

import os
import sys

from sync.settings.environment import SettingError
from sync.settings.listening import read_concurrency

WRONG_USE = 2


def main() -> None:
    """Become the command of the arguments, a process with the same id."""
    try:
        os.environ["WEB_CONCURRENCY"] = str(read_concurrency(os.environ))
        os.execvp(sys.argv[1], sys.argv[1:])  # noqa: S606 - the Procfile's own command
    except SettingError as error:
        sys.exit(_say(str(error)))
    except (IndexError, OSError):
        sys.exit(_say("give the command of the Procfile: python -m receiver gunicorn …"))


def _say(text: str) -> int:
    print(f"zexa-sync: {text}", file=sys.stderr)  # noqa: T201
    return WRONG_USE


main()
