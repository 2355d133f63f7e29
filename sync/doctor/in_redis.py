"""The checks of Redis: is it one that the queue works on, and does it keep what it confirms?"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from redis import Redis
from redis.exceptions import AuthenticationError, NoPermissionError, RedisError, ResponseError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from sync.doctor import store_findings as findings
from sync.doctor.check import worst
from sync.terminal.findings import Check, ok, unknown

OLDEST_REDIS = (6, 2)  # RQ keeps a job that is being taken in a list of its own from this version on
PROBE_KEY = "zexa-sync:doctor"
NEARLY_FULL = 0.8
FULL = 0.98

Facts = Mapping[str, Any]

# A server without TLS waits for more of what it takes for a command.
_TLS = "; does it speak TLS, as rediss:// says?"


def check_redis(redis: Redis, *, is_tls: bool, is_journalled: bool) -> Iterator[Check]:
    """Yield the checks of Redis; only the first if it cannot be used."""
    try:
        info: Facts = redis.info()
    except (AuthenticationError, NoPermissionError) as error:
        yield findings.REDIS_REFUSES(error=redis_error_text(error))
        return
    except ResponseError:
        yield unknown("redis", "it answers, and does not say what it is: the command INFO is refused")
        return
    except (RedisError, ValueError) as error:  # ValueError: a host that no name server would be asked for
        yield findings.REDIS_AWAY(error=redis_error_text(error) + (_TLS if is_tls else ""))
        return
    yield _server(redis, info)
    yield policy(info, is_journalled=is_journalled)
    yield persistence(info, _configured(redis, info), is_journalled=is_journalled)
    yield memory(info)


def _server(redis: Redis, info: Facts) -> Check:
    version = str(info.get("redis_version", ""))
    name = "Valkey" if "valkey_version" in info else "Redis"
    if info.get("redis_mode") == "cluster" or info.get("cluster_enabled"):
        return findings.REDIS_CLUSTER()
    if not _is_new_enough(version):
        return findings.REDIS_OLD(version=version)
    if info.get("role") == "slave":
        return findings.REDIS_REPLICA()
    try:
        redis.set(PROBE_KEY, 1, ex=1)
        redis.delete(PROBE_KEY)
    except RedisError as error:
        return findings.REDIS_REFUSES_WRITES(error=redis_error_text(error))
    return ok("redis", f"{name} {info.get('valkey_version', version)} answers and takes writes")


def _is_new_enough(version: str) -> bool:
    numbers = re.match(r"(\d+)\.(\d+)", version)
    return numbers is None or (int(numbers[1]), int(numbers[2])) >= OLDEST_REDIS


def policy(info: Facts, *, is_journalled: bool) -> Check:
    """Judge what is thrown away when memory is full."""
    name = info.get("maxmemory_policy")
    if not name:
        return unknown("redis_policy", "the server does not say what it throws away when memory is full")
    if name == "noeviction":
        return ok("redis_policy", "nothing is thrown away when memory is full")
    finding = findings.REDIS_EVICTS_JOURNALLED if is_journalled else findings.REDIS_EVICTS
    return finding(policy=name)


def _configured(redis: Redis, info: Facts) -> Facts:
    """Return what only CONFIG tells, {} if the server does not let us ask."""
    if not info.get("aof_enabled"):
        return {}
    try:
        answer: Any = redis.config_get("*appendfsync*")
    except ResponseError:
        return {}
    return {str(name): value for name, value in answer.items()}


def persistence(info: Facts, configured: Facts, *, is_journalled: bool) -> Check:
    """Judge whether what waits survives a restart and a loss of power."""
    if is_journalled:
        return ok("redis_persistence", "ZEXA_JOURNAL=1: the database keeps what waits, whatever Redis forgets")
    if "aof_enabled" not in info:
        return unknown("redis_persistence", "the server does not say whether it writes an append-only file")
    if not info["aof_enabled"]:
        return findings.REDIS_FORGETS()
    if "err" in (info.get("aof_last_write_status"), info.get("aof_last_bgrewrite_status")):
        return findings.REDIS_DISK()
    return _power_loss(configured)


def _power_loss(configured: Facts) -> Check:
    fsync = configured.get("appendfsync")
    if not fsync:
        return unknown(
            "redis_persistence",
            "an append-only file is written; the server does not let us read appendfsync",
            "ask its operator for appendfsync always, or set ZEXA_JOURNAL=1",
        )
    if fsync == "no":
        return findings.REDIS_FSYNC_NEVER()
    checks = [ok("redis_persistence", "an append-only file is on disk before a write is confirmed")]
    if fsync != "always":
        checks.append(findings.REDIS_FSYNC_EVERYSEC(fsync=fsync))
    elif configured.get("no-appendfsync-on-rewrite") == "yes":
        checks.append(findings.REDIS_FSYNC_PAUSES())
    return worst(checks)


def memory(info: Facts) -> Check:
    """Judge how much more may wait."""
    most, used = info.get("maxmemory"), info.get("used_memory")
    if most is None or used is None:
        return unknown("redis_memory", "the server does not say how much memory it may take")
    if not most:
        return findings.REDIS_UNBOUNDED()
    share = used / most
    percent = round(share * 100)
    if share >= FULL:
        return findings.REDIS_FULL(percent=percent)
    if share >= NEARLY_FULL:
        return findings.REDIS_NEARLY_FULL(percent=percent)
    return ok("redis_memory", f"{percent}% of maxmemory are used")


def redis_error_text(error: Exception) -> str:
    """Return what went wrong in words that quote neither an address of the server nor a password."""
    if isinstance(error, AuthenticationError):
        return "wrong user or password, or one is needed"
    if isinstance(error, NoPermissionError):
        return "the user may not run a command that is needed"
    if isinstance(error, RedisTimeoutError):
        return "no answer in time"
    if isinstance(error, RedisConnectionError):
        return connection_error_text(str(error))
    if isinstance(error, ResponseError):
        code = str(error).partition(" ")[0]  # such as NOREPLICAS; the client takes some away
        return code if code.isupper() and code.isalpha() else type(error).__name__.removesuffix("Error")
    return type(error).__name__


_REASONS = {
    "certificate": "its certificate could not be verified",
    "ssl": "TLS failed",
    "refused": "connection refused",
    "name or service": "its host has no address in DNS",
    "nodename": "its host has no address in DNS",
    "name resolution": "the host's name could not be looked up",
    "closed by server": "it closed the connection: does it want rediss://?",
    "loading": "it is loading its data",
    "timed out": "no answer in time",
    "unreachable": "its network cannot be reached",
}


def connection_error_text(error_text: str) -> str:
    """Return why a connection failed, out of what the system says, without the address."""
    lower = error_text.lower()
    return next((reason for sign, reason in _REASONS.items() if sign in lower), "the connection failed")
