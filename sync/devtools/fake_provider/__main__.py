"""`python -m sync.devtools.fake_provider PORT FILE`: the provider of one run of `zexa-sync dev`.

FILE keeps its webhooks from run to run. ZEXA_API_KEY is the key that it takes, and the first secret of
ZEXA_WEBHOOK_SECRET signs what it delivers: neither stands in the list of processes.
"""

import asyncio
import os
import signal
import sys
from pathlib import Path

from sync.devtools.fake_provider.account import FakeAccount
from sync.devtools.fake_provider.server import FakeApi, started
from sync.settings.provider import ProviderSettings
from sync.settings.webhook_secrets import read_secrets


async def run(account: FakeAccount, port: int) -> None:
    """Answer until a signal asks to stop."""
    account.load()
    is_stop_asked = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, is_stop_asked.set)
    runner, _ = await started(FakeApi(account), port)
    await is_stop_asked.wait()
    await runner.cleanup()


def main() -> None:
    port, file = sys.argv[1:]
    account = FakeAccount(
        key=ProviderSettings.read(os.environ).api_key,
        secret=read_secrets(os.environ)[0],
        lists=True,
        deletes=True,
        kept_in=Path(file),
    )
    asyncio.run(run(account, int(port)))


if __name__ == "__main__":
    main()
