"""The views of the reports as migration 0004 makes them, the same on PostgreSQL and SQLite but for a few phrases.

A later migration that changes a view brings its own text; this one stays as it was when it was released. It is long
because the views read each other, and each is one statement.
"""

from collections.abc import Mapping

_FINAL = "status IN ('delivered', 'failed', 'undeliverable') AND status_at IS NOT NULL"
_FAILED = "status IN ('failed', 'undeliverable') AND status_at IS NOT NULL"

# Where a phrase speaks of a moment it stands as {0}.
_PHRASES: Mapping[str, Mapping[str, str]] = {
    "postgresql": {
        "day": "CAST(({0} AT TIME ZONE 'UTC') + make_interval(secs => {1}) AS date)",
        "quarter": "date_bin('15 minutes', {0}, TIMESTAMPTZ '2000-01-01 00:00:00+00')",
        "hour": "date_bin('1 hour', {0}, TIMESTAMPTZ '2000-01-01 00:00:00+00')",
        "seconds": "CAST(extract(epoch FROM {0} - {1}) AS double precision)",
        "real": "double precision",
        "mask_text": r"regexp_replace(regexp_replace({0}, '[^\s@<>(),:;]+@[^\s@<>(),:;]+', '****@****', 'g'), "
        r"'\+?\d(?:[\s().\-/]{{0,2}}\d){{6,}}', '****', 'g')",
        # Without it a function of the one who asks could be handed the addresses before they are masked.
        "with_barrier": "WITH (security_barrier) ",
    },
    "sqlite": {
        "day": "date({0}, {1} || ' seconds')",
        "quarter": "substr({0}, 1, 14) || "
        "substr('00153045', 1 + 2 * (CAST(substr({0}, 15, 2) AS integer) / 15), 2) || ':00.000000'",
        "hour": "substr({0}, 1, 14) || '00:00.000000'",
        "seconds": "((CAST(strftime('%s', {0}) AS integer) - CAST(strftime('%s', {1}) AS integer)) * 1000000 "
        "+ CAST(substr({0}, 21, 6) AS integer) - CAST(substr({1}, 21, 6) AS integer)) / 1000000.0",
        "real": "real",
        # Whoever may read the file may read the tables.
        "mask_text": "{0}",
        "with_barrier": "",
    },
}
_OFFSET = "(SELECT offset_seconds FROM report_calendar WHERE begins_at <= {0} ORDER BY begins_at DESC LIMIT 1)"

_COUNTS = ("delivered", "failed", "undeliverable", "unfinished", "opt_outs", "conflicts")
_DAILY_COUNTS = tuple(name for name in _COUNTS if name != "unfinished")

PERCENTS = (50, 90, 99)


def _sums(names: tuple[str, ...]) -> str:
    return ", ".join(f"CAST(sum({name}) AS bigint) AS {name}" for name in names)


def _tallies(names: tuple[str, ...]) -> str:
    conditions = {
        **{status: f"status = '{status}' AND status_at IS NOT NULL" for status in _COUNTS[:3]},
        "unfinished": f"({_FINAL}) IS NOT TRUE",
        "opt_outs": "opted_out_at IS NOT NULL",
        "conflicts": "conflict",
    }
    return ", ".join(f"count(*) FILTER (WHERE {conditions[name]}) AS {name}" for name in names)


class Views:
    """The text of each view in the words of one database."""

    def __init__(self, dialect: str) -> None:
        self._phrases = _PHRASES[dialect]
        self._has_percentiles = dialect == "postgresql"

    def _say(self, phrase: str, *values: str) -> str:
        return self._phrases[phrase].format(*values)

    def _day(self, moment: str) -> str:
        return self._say("day", moment, _OFFSET.format(moment))

    def _rate(self, numerator: str, denominator: str) -> str:
        return f"CAST({numerator} AS {self._phrases['real']}) / nullif({denominator}, 0)"

    def statements(self) -> list[str]:
        """Return what creates every view, in an order in which each finds those it reads."""
        texts = {
            "rollup_daily_plain": self._daily_plain(),
            "rollup_campaigns_plain": self._campaigns_plain(),
            "rollup_daily_now": self._daily_now(),
            "rollup_campaigns_now": self._campaigns_now(),
            "report_daily": self._daily(),
            "report_campaigns": self._campaigns(),
            "report_failures": self._failures(),
            "report_opt_outs": self._opt_outs(),
            "report_lag": self._lag_in_order() if self._has_percentiles else self._lag_by_ranks(),
        }
        statements = [f"CREATE VIEW {name} AS {text}" for name, text in texts.items()]
        barrier = self._phrases["with_barrier"]
        return [*statements, f"CREATE VIEW report_recipients {barrier}AS {self._recipients()}"]

    def _daily_plain(self) -> str:
        return f"""
            SELECT {self._day("quarter_at")} AS day, channel, sender, {_sums(_DAILY_COUNTS)}
            FROM (
                SELECT {self._say("quarter", "status_at")} AS quarter_at, coalesce(channel, '') AS channel,
                    coalesce(sender, '') AS sender, {_tallies(_DAILY_COUNTS)}
                FROM message_status WHERE {_FINAL} GROUP BY 1, 2, 3
            ) AS quarters
            GROUP BY 1, 2, 3"""

    def _campaigns_plain(self) -> str:
        return f"""
            SELECT campaign_id, {_tallies(_COUNTS)}
            FROM message_status WHERE campaign_id IS NOT NULL AND campaign_id <> '' GROUP BY campaign_id"""

    def _daily_now(self) -> str:
        """Deltas are summed by quarters before their day is looked up: thousands may wait, of few quarters."""
        names = ", ".join(_DAILY_COUNTS)
        return f"""
            SELECT day, channel, sender, {_sums(_DAILY_COUNTS)}
            FROM (
                SELECT day, channel, sender, {names} FROM rollup_daily
                UNION ALL
                SELECT {self._day("quarter_at")} AS day, channel, sender, {names}
                FROM (
                    SELECT quarter_at, channel, sender, {_sums(_DAILY_COUNTS)}
                    FROM rollup_deltas WHERE quarter_at IS NOT NULL GROUP BY quarter_at, channel, sender
                ) AS waiting
            ) AS parts
            GROUP BY day, channel, sender"""

    def _campaigns_now(self) -> str:
        names = ", ".join(_COUNTS)
        return f"""
            SELECT campaign_id, {_sums(_COUNTS)}
            FROM (
                SELECT campaign_id, {names} FROM rollup_campaigns
                UNION ALL SELECT campaign_id, {names} FROM rollup_deltas WHERE campaign_id <> ''
            ) AS parts
            GROUP BY campaign_id"""

    def _daily(self) -> str:
        names = ", ".join(_DAILY_COUNTS)
        return f"""
            SELECT day, channel, sender, finalised, {names},
                {self._rate("delivered", "finalised")} AS delivery_rate,
                {self._rate("opt_outs", "delivered")} AS opt_out_rate
            FROM (
                SELECT day, channel, sender, delivered + failed + undeliverable AS finalised, {names}
                FROM rollup_daily_now
            ) AS sums
            WHERE finalised <> 0"""

    def _campaigns(self) -> str:
        """Of campaigns that only events or only messages tell of, too."""
        names = ", ".join(_COUNTS)
        return f"""
            SELECT sums.campaign_id, campaign.name, coalesce(campaign.channel, '') AS channel, campaign.status,
                campaign.sent_at, campaign.completed_at,
                {self._say("seconds", "campaign.completed_at", "campaign.sent_at")} AS duration_seconds,
                campaign.message_total, finalised + unfinished AS messages, finalised, {names},
                CASE WHEN campaign.status = 'completed' AND campaign.message_total >= finalised
                    THEN campaign.message_total - finalised
                    WHEN campaign.status = 'completed' AND campaign.message_total < finalised THEN 0 END AS silent,
                {self._rate("delivered", "finalised")} AS delivery_rate,
                {self._rate("opt_outs", "delivered")} AS opt_out_rate
            FROM (
                SELECT campaign_id, CAST(sum(delivered + failed + undeliverable) AS bigint) AS finalised,
                    {_sums(_COUNTS)}
                FROM (
                    SELECT campaign_id, {names} FROM rollup_campaigns
                    UNION ALL
                    SELECT campaign_id, {", ".join(f"sum({name})" for name in _COUNTS)}
                    FROM rollup_deltas WHERE campaign_id <> '' GROUP BY campaign_id
                    UNION ALL SELECT campaign_id, 0, 0, 0, 0, 0, 0 FROM campaign_status
                ) AS parts
                GROUP BY campaign_id
            ) AS sums
            LEFT JOIN campaign_status AS campaign ON campaign.campaign_id = sums.campaign_id
            WHERE finalised + unfinished <> 0 OR campaign.campaign_id IS NOT NULL"""

    def _failures(self) -> str:
        """Grouped twice, because free texts that differ in what is masked are the same reason."""
        return f"""
            SELECT day, channel, failure_code, failure_reason, messages,
                CAST(sum(messages) OVER (PARTITION BY day, channel) AS bigint) AS failures,
                {self._rate("messages", "sum(messages) OVER (PARTITION BY day, channel)")} AS share,
                first_seen_at, last_seen_at
            FROM (
                SELECT day, channel, failure_code, {self._say("mask_text", "failure_reason")} AS failure_reason,
                    CAST(sum(messages) AS bigint) AS messages,
                    min(first_seen_at) AS first_seen_at, max(last_seen_at) AS last_seen_at
                FROM (
                    SELECT {self._say("day", "status_at", "offset_seconds")} AS day, coalesce(channel, '') AS channel,
                        coalesce(failure_code, '') AS failure_code, coalesce(failure_reason, '') AS failure_reason,
                        count(*) AS messages, min(status_at) AS first_seen_at, max(status_at) AS last_seen_at
                    FROM message_status
                    JOIN report_calendar ON status_at >= begins_at AND status_at < ends_at
                    WHERE {_FAILED}
                    GROUP BY 1, 2, 3, 4
                ) AS as_told
                GROUP BY 1, 2, 3, 4
            ) AS reasons"""

    def _opt_outs(self) -> str:
        return f"""
            SELECT left_us.day, left_us.channel, source, opt_outs, in_force, coalesce(delivered, 0) AS delivered,
                {self._rate("opt_outs", "delivered")} AS opt_out_rate
            FROM (
                SELECT {self._day("opted_out_at")} AS day, channel, source, count(*) AS opt_outs,
                    count(*) FILTER (WHERE opted_in_at IS NULL OR opted_in_at <= opted_out_at) AS in_force
                FROM opt_outs WHERE opted_out_at IS NOT NULL GROUP BY 1, 2, 3
            ) AS left_us
            LEFT JOIN (
                SELECT day, channel, CAST(sum(delivered) AS bigint) AS delivered
                FROM report_daily WHERE channel <> '' GROUP BY day, channel
                UNION ALL SELECT day, '', CAST(sum(delivered) AS bigint) FROM report_daily GROUP BY day
            ) AS ended ON ended.day = left_us.day AND ended.channel = left_us.channel"""

    def _lags(self) -> str:
        """A body that names no moment has occurred, as far as we know, when it was received: no lag of it is known."""
        return f"""
            SELECT {self._say("hour", "received_at")} AS hour,
                CASE WHEN occurred_at <> received_at THEN {self._say("seconds", "received_at", "occurred_at")} END
                    AS received_lag,
                {self._say("seconds", "applied_at", "received_at")} AS applied_lag
            FROM events"""

    def _lag_in_order(self) -> str:
        names = [
            f"percentile_disc({percent / 100}) WITHIN GROUP (ORDER BY {lag}_lag) AS {lag}_p{percent}_seconds"
            for lag in ("received", "applied")
            for percent in PERCENTS
        ]
        return f"""
            SELECT hour, count(*) AS events, count(received_lag) AS dated, {", ".join(names)}
            FROM ({self._lags()}) AS lags GROUP BY hour"""

    def _lag_by_ranks(self) -> str:
        """SQLite has no percentiles: the value at the rank that percentile_disc() takes."""
        names = [
            f"min(CASE WHEN {lag}_rank * 100 >= {percent} * {count} THEN {lag}_lag END) AS {lag}_p{percent}_seconds"
            for lag, count in (("received", "dated"), ("applied", "events"))
            for percent in PERCENTS
        ]
        return f"""
            SELECT hour, max(events) AS events, max(dated) AS dated, {", ".join(names)}
            FROM (
                SELECT hour, received_lag, applied_lag, count(*) OVER (PARTITION BY hour) AS events,
                    count(received_lag) OVER (PARTITION BY hour) AS dated,
                    row_number() OVER (PARTITION BY hour ORDER BY received_lag IS NULL, received_lag) AS received_rank,
                    row_number() OVER (PARTITION BY hour ORDER BY applied_lag) AS applied_rank
                FROM ({self._lags()}) AS lags
            ) AS ranked
            GROUP BY hour"""

    def _recipients(self) -> str:
        mask = """
            CASE WHEN ended.address LIKE '+%' AND length(ended.address) >= 12
                    THEN substr(ended.address, 1, 6) || '****' || substr(ended.address, length(ended.address) - 1)
                WHEN ended.address LIKE '_%@%' THEN substr(ended.address, 1, 1) || '****'
                    || substr(ended.address, length(rtrim(ended.address, replace(ended.address, '@', ''))))
                ELSE substr(ended.address, 1, 1) || '****' END"""
        return f"""
            WITH ended AS (
                SELECT coalesce(channel, '') AS channel, recipient AS address, count(*) AS messages,
                    max(CASE WHEN {_FINAL} THEN status_at END) AS last_status_at,
                    max(CASE WHEN status = 'delivered' THEN status_at END) AS last_delivered_at,
                    max(CASE WHEN status = 'undeliverable' THEN status_at END) AS last_undeliverable_at,
                    max(message_id) AS message_id
                FROM message_status WHERE recipient IS NOT NULL GROUP BY 1, 2
            ), failing AS (
                SELECT ended.channel, ended.address, count(*) AS failures
                FROM ended JOIN message_status AS message
                    ON message.recipient = ended.address AND coalesce(message.channel, '') = ended.channel
                WHERE {_FAILED} AND (last_delivered_at IS NULL OR status_at > last_delivered_at)
                GROUP BY 1, 2
            )
            SELECT ended.channel, {mask} AS address, messages,
                CASE WHEN last_delivered_at = last_status_at THEN 'delivered'
                    WHEN last_undeliverable_at = last_status_at THEN 'undeliverable'
                    WHEN last_status_at IS NOT NULL THEN 'failed' END AS last_status,
                last_status_at, last_delivered_at, coalesce(failures, 0) AS failures_in_a_row,
                EXISTS (
                    SELECT 1 FROM opt_outs AS stop WHERE stop.address = ended.address
                    AND stop.opted_out_at IS NOT NULL
                    AND (stop.opted_in_at IS NULL OR stop.opted_in_at <= stop.opted_out_at)
                ) AS opted_out,
                message_id
            FROM ended
            LEFT JOIN failing ON failing.channel = ended.channel AND failing.address = ended.address"""
