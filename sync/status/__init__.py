"""What waits, how fresh the tables are, and how soon a STOP takes effect: measured once, shown by others."""

from sync.status.opt_out_latency import Latency, latency

__all__ = ["Latency", "latency"]
