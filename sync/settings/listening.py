"""Where the web process listens, and with how many processes.

A module of its own, because what is read before gunicorn starts should load nothing that takes long.
"""

from collections.abc import Mapping
from ipaddress import ip_address

from sync.settings.environment import SettingError, is_on_dyno, read_whole_number

DEFAULT_PORT = 8000
DEFAULT_CONCURRENCY = 2


def read_bind(environ: Mapping[str, str]) -> str:
    """Return where to listen, `address:port`: on this machine only, unless ZEXA_BIND or Heroku wants more.

    PORT alone opens no interface: it is set on many machines by programs that have nothing to do with this one.
    """
    port = read_whole_number(environ, "PORT", default=DEFAULT_PORT, least=1, most=65535)
    host = environ.get("ZEXA_BIND", "").strip() or ("0.0.0.0" if is_on_dyno(environ) else "127.0.0.1")  # noqa: S104
    try:
        address = ip_address("127.0.0.1" if host == "localhost" else host.removeprefix("[").removesuffix("]"))
    except ValueError:
        raise SettingError(
            "ZEXA_BIND is not an address to listen on, such as 127.0.0.1, or 0.0.0.0 for all; PORT is the port"
        ) from None
    return f"{address}:{port}" if address.version == 4 else f"[{address}]:{port}"


def read_concurrency(environ: Mapping[str, str]) -> int:
    """Return WEB_CONCURRENCY, the number of web processes."""
    return read_whole_number(environ, "WEB_CONCURRENCY", default=DEFAULT_CONCURRENCY, least=1, most=64)
