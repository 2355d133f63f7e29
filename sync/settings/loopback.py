"""Says whether a host is surely this machine. Names are not looked up: what one means can change. Pure."""

from ipaddress import ip_address


def is_loopback_host(host: str) -> bool:
    """Return whether `host`, as in a URL but without brackets, is this machine."""
    try:
        return host.lower() == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
