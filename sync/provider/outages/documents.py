"""Lays outages out as JSON's types. Pure."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from sync.provider.outages.find import OutageCost
from sync.provider.outages.retries import Interval
from sync.provider.outages.silent_ids import SilentIds
from sync.terminal.times import iso_text, row_in_json


def outages_document(costs: Sequence[OutageCost], ids: SilentIds | None, *, is_redis_away: bool) -> dict[str, Any]:
    """Return `costs` as JSON's types; `ids` is null if no file was given."""
    return {
        "outages": [_outage_document(cost) for cost in costs],
        "ids": None if ids is None else row_in_json(asdict(ids)),
        "redis_answers": not is_redis_away,
    }


def _outage_document(cost: OutageCost) -> dict[str, Any]:
    loss = cost.loss
    return {
        **row_in_json(asdict(loss.outage)),
        "lost_first_tried": _windows(loss.surely),
        "perhaps_lost_first_tried": _windows(loss.perhaps),
        "is_unresolved": loss.is_unresolved,
        "campaigns": [row_in_json(asdict(campaign)) for campaign in cost.campaigns],
        "usual_opt_outs": list(cost.usual_opt_outs),
    }


def _windows(windows: Sequence[Interval]) -> list[dict[str, str | None]]:
    return [{"from": iso_text(began), "until": iso_text(ended)} for began, ended in windows]
