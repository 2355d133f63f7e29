"""The time between two runs of `zexa-sync dev` is no outage: the provider that it plays stood still as long."""

from redis import Redis
from sqlalchemy import delete

from models.database import disposing, open_database
from models.tables import LAST_REACHABLE
from sync.devtools.dev.setup import Setup
from sync.provider.outages.in_redis import GAPS_KEY, REACHABLE
from sync.queue.counts import LATEST_KEY


def forget_marks(setup: Setup) -> None:
    """Forget when the run before could acknowledge deliveries, as if this one were the first. Before `web` starts.

    Only if nobody else can have sent deliveries: database, Redis and provider are those of the data folder.
    """
    is_own = "redis" in setup.commands and setup.database_url.database == str(setup.data / "zexa.db")
    if setup.provider_port is None or not is_own:
        return
    with disposing(open_database(setup.database_url, pool_size=1)) as engine, engine.begin() as connection:
        connection.execute(delete(LAST_REACHABLE))
    with Redis.from_url(setup.environ["REDIS_URL"]) as redis:
        redis.zrem(LATEST_KEY, REACHABLE)
        redis.delete(GAPS_KEY)
