"""What the tests of `zexa-sync webhooks` share: the command run in an environment, and what no output may hold."""

import os
from collections.abc import Mapping

from click.testing import CliRunner, Result

from sync.cli import main
from sync.devtools.fake_provider.server import SOMEBODY
from tests.support.processes import SECRET

KEY = "zxk_hunter2"
ADDRESS = "https://example.com/webhooks/zexa"
PRIVATE = (KEY, SECRET, SOMEBODY, SOMEBODY[1:], SOMEBODY[4:], "token=hunter2")


def webhooks(environ: Mapping[str, str], *words: str) -> Result:
    """Run the command; hold that nothing it says quotes the key, a secret or a person."""
    cleared = {name: None for name in os.environ if name.startswith(("ZEXA_", "REDIS_", "DATABASE_"))}
    result = CliRunner().invoke(main, ["webhooks", *words], env={**cleared, **environ})
    for private in PRIVATE:
        assert private not in result.output
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
    return result
