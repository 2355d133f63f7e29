"""Every problem and warning of settings, Redis and database.

These are the words that are shown. The runbook has an entry for each.
"""

from sync.terminal.findings import problem, warning

# Settings

SETTING_WRONG = problem(
    "settings", "a setting is wrong: {line}", "correct it in the environment of web, worker and this command"
)
SECRET_QUOTED = warning(
    "secrets",
    "secret {position} begins and ends with a quotation mark",
    "if the dashboard shows no quotation marks, take them out of ZEXA_WEBHOOK_SECRET",
)
SECRET_TWICE = warning("secrets", "a secret stands twice in ZEXA_WEBHOOK_SECRET", "leave out one of the two")
SECRET_IDLE = warning(
    "secrets",
    "secret {position} matched nothing for {days}",
    "safe to remove: take it out of ZEXA_WEBHOOK_SECRET, and put it into ZEXA_RETIRED_SECRETS for a while",
)

# Redis

REDIS_AWAY = problem(
    "redis", "Redis does not answer: {error}", "start it, or correct REDIS_URL; deliveries go to the inbox meanwhile"
)
REDIS_REFUSES = problem(
    "redis",
    "Redis refuses to let us in: {error}",
    "correct user and password in REDIS_URL, or the rights of the user: it needs all commands on all keys",
)
REDIS_CLUSTER = problem(
    "redis",
    "it is a Redis Cluster, on which the queue cannot work",
    "use a single server, with a replica if you like, and name it in REDIS_URL",
)
REDIS_OLD = problem(
    "redis",
    "it is Redis {version}, which may lose a job that is being taken",
    "upgrade to Redis 6.2 or newer, or Valkey",
)
REDIS_REPLICA = problem("redis", "it is a replica, which cannot be written to", "point REDIS_URL at the primary")
REDIS_REFUSES_WRITES = problem(
    "redis",
    "it answers and refuses to be written to: {error}",
    "give it memory, disk or replicas, as the error says; deliveries go to the inbox meanwhile",
)
REDIS_EVICTS = problem(
    "redis_policy",
    "maxmemory-policy is {policy}: when memory is full, jobs that wait are thrown away",
    "set maxmemory-policy noeviction, or ZEXA_JOURNAL=1",
)
REDIS_EVICTS_JOURNALLED = warning(
    "redis_policy",
    "maxmemory-policy is {policy}: the journal has what is thrown away, and applies it a minute later",
    "set maxmemory-policy noeviction",
)
REDIS_FORGETS = problem(
    "redis_persistence",
    "it writes no append-only file: a restart forgets what waits",
    "set appendonly yes and appendfsync always, or ZEXA_JOURNAL=1",
)
REDIS_FSYNC_NEVER = problem(
    "redis_persistence",
    "appendfsync is no: a loss of power forgets about the last 30 s of what waits",
    "set appendfsync always, or ZEXA_JOURNAL=1",
)
REDIS_FSYNC_EVERYSEC = warning(
    "redis_persistence",
    "appendfsync is {fsync}: a loss of power forgets about the last second of what waits",
    "set appendfsync always, or ZEXA_JOURNAL=1",
)
REDIS_FSYNC_PAUSES = warning(
    "redis_persistence",
    "no-appendfsync-on-rewrite is yes: a loss of power during a rewrite forgets what waits",
    "set no-appendfsync-on-rewrite no, or ZEXA_JOURNAL=1",
)
REDIS_DISK = problem(
    "redis_persistence",
    "its last write of the append-only file or a snapshot failed",
    "look at the log of Redis, and make room on its disk",
)
REDIS_UNBOUNDED = warning(
    "redis_memory",
    "maxmemory is not set: a long backlog may take all memory, and the system ends Redis",
    "set maxmemory to what the machine can spare; with noeviction deliveries go to the inbox when it is full",
)
REDIS_NEARLY_FULL = warning(
    "redis_memory", "{percent}% of maxmemory are used", "give it memory, or start workers until the queue is short"
)
REDIS_FULL = problem(
    "redis_memory",
    "{percent}% of maxmemory are used: it takes no more jobs, deliveries go to the inbox",
    "give it memory, or start workers until the queue is short",
)

# Database

DATABASE_AWAY = problem(
    "database",
    "the database does not answer: {error}",
    "start it, or correct DATABASE_URL; jobs wait in Redis meanwhile",
)
DATABASE_MISCONFIGURED = problem(
    "database", "the database cannot be used: {error}", "correct DATABASE_URL, or make what is missing"
)
SCHEMA_BEHIND = problem(
    "schema",
    "the schema is older than this version, or empty: {line}",
    "run `alembic upgrade head`, the release step; it is safe to run twice",
)
SCHEMA_WRONG = problem("schema", "this version cannot run on the schema: {line}", "{remedy}")
SCHEMA_AHEAD = warning(
    "schema",
    "the schema is ahead of this version, which can run on it",
    "deploy the newer version again once you can",
)
DATABASE_STANDBY = problem(
    "database_writable",
    "the database is a standby, or takes no transactions that write",
    "point DATABASE_URL at the primary",
)
RIGHTS_MISSING = problem(
    "database_writable",
    "our role lacks rights: {rights}",
    "as the owner of the tables: GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA … TO our role",
)
INBOX_REFUSES = problem(
    "database_writable",
    "a row of the inbox is refused: {error}",
    "find the trigger, lock, limit or full disk that the error names, and remove it",
)
FSYNC_OFF = problem(
    "durability",
    "fsync is off: a crash may destroy the whole database",
    "set fsync = on in postgresql.conf and restart the database",
)
COMMIT_NOT_ON_DISK = problem(
    "durability",
    "synchronous_commit is off: a crash forgets the last commits, whose jobs are removed already",
    "ALTER ROLE … SET synchronous_commit = on for our role, or set it in postgresql.conf",
)
PAGES_TORN = warning(
    "durability",
    "full_page_writes is off: a crash may tear pages",
    "set full_page_writes = on, unless the file system makes whole writes",
)
TABLES_OF_OTHERS = problem(
    "foreign_tables",
    "another program's tables have names of ours: {names}",
    "set ZEXA_DATABASE_SCHEMA to a schema of our own, such as zexa, and run `alembic upgrade head`",
)
TABLES_CHANGED = problem(
    "foreign_tables",
    "tables are missing or lack columns, though the migrations made them: {names}",
    "restore them from a backup; if there is none, use a new schema and `alembic upgrade head`",
)
FORGET_KEY_MISSING = problem(
    "forget_key",
    "ZEXA_FORGET_KEY lacks keys that forgotten people were hashed with: {key_ids}",
    "give web, worker and the commands these keys again; until then web does not start, and workers hold batches",
)
