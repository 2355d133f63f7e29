-- The views, for PostgreSQL. The migration runs this file; views_sqlite.sql holds the same views for SQLite.
--
-- Each statement can be pasted into psql. A view reads only views that stand above it. To make a view anew, drop the
-- view and those that read it first; then grant SELECT on the report_ views to zexa_reporting again.


-- Opt-outs

-- Who must not be messaged: the opt-outs that are in force. Nothing else in this file says when an opt-out is in force:
-- it was not ended, or it was ended before its latest STOP was received.
--
-- There is one row for each spelling of the person, channel and sender, however many opt-outs of the person say it.
-- "person" is the same for all spellings: count by it. Mexico, Argentina and Brazil write one number in two ways, so
-- their numbers have two rows each; all other addresses have one.
CREATE VIEW active_opt_outs AS
SELECT channel, address, sender, opted_out_at, opted_in_at, received_at, source, message_id, note, updated_at,
    opt_out_id, person
FROM opt_outs
WHERE (opted_in_at IS NULL OR opted_in_at <= received_at)
    AND NOT (length(person) = 13 AND substr(person, 1, 3) IN ('+52', '+54', '+55'))
UNION ALL
SELECT channel,
    CASE
        WHEN spelling = 1 THEN person
        WHEN person LIKE '+52%' THEN substr(person, 1, 3) || '1' || substr(person, 4)
        WHEN person LIKE '+54%' THEN substr(person, 1, 3) || '9' || substr(person, 4)
        ELSE substr(person, 1, 5) || '9' || substr(person, 6)
    END AS address,
    sender, opted_out_at, opted_in_at, received_at, source, message_id, note, updated_at, opt_out_id, person
FROM (
    SELECT opt_outs.*, row_number() OVER (
        PARTITION BY person, channel, sender ORDER BY opted_out_at DESC, received_at DESC, address
    ) AS place
    FROM opt_outs
    WHERE (opted_in_at IS NULL OR opted_in_at <= received_at)
        AND length(person) = 13 AND substr(person, 1, 3) IN ('+52', '+54', '+55')
) AS stops
CROSS JOIN (SELECT 1 AS spelling UNION ALL SELECT 2) AS spellings
WHERE place = 1;

-- Every statement about an opt-out, with its times. The times of an event are those of its body in the ledger:
-- of the body that holds (events), or of another body of the same fact (further_bodies). What a person states has its
-- own time, and no receipt. If the ledger has lost an event, it counts as received when it was applied. subject_id and event are the key of the fact in the ledger.
CREATE VIEW opt_out_statements AS
SELECT
    statement.id,
    statement.kind,
    statement.channel,
    statement.address,
    statement.sender,
    coalesce(
        fact.occurred_at,
        further.occurred_at,
        CASE
            WHEN statement.digest IS NULL OR statement.occurred_at <= statement.applied_at + INTERVAL '1 day'
                THEN statement.occurred_at
        END,
        statement.applied_at
    ) AS occurred_at,
    CASE
        WHEN statement.digest IS NOT NULL
            THEN coalesce(fact.received_at, further.received_at, statement.applied_at)
    END AS received_at,
    statement.applied_at,
    statement.source,
    statement.message_id,
    statement.event,
    statement.digest,
    statement.stated_by,
    statement.reason,
    statement.opt_out_id,
    statement.person,
    CASE
        WHEN statement.digest IS NOT NULL THEN coalesce(
        statement.message_id, CASE WHEN statement.digest LIKE 'keyed:%' THEN '' ELSE 'sha256:' END || statement.digest
    )
    END AS subject_id
FROM opt_out_history AS statement
LEFT JOIN events AS fact
    ON fact.subject_id = coalesce(
        statement.message_id, CASE WHEN statement.digest LIKE 'keyed:%' THEN '' ELSE 'sha256:' END || statement.digest
    )
    AND fact.event = statement.event
    AND fact.digest = statement.digest
LEFT JOIN further_bodies AS further
    ON further.subject_id = coalesce(
        statement.message_id, CASE WHEN statement.digest LIKE 'keyed:%' THEN '' ELSE 'sha256:' END || statement.digest
    )
    AND further.event = statement.event
    AND further.digest = statement.digest;

-- Messages with a status later than an opt-out of their person, each with the first such opt-out. An opt-out under any
-- spelling, for any channel and sender, counts, as in a look-up. Two kinds of opt-outs do not count:
--   * an opt-out that answers the message itself: the message was sent before it, whatever the times say;
--   * an opt-out that a re-subscription had ended when the message got its status. A re-subscription ends the opt-outs
--     that were received before it. It also ends an opt-out that occurred before it and was received after it, until
--     that opt-out was received.
-- Only people end opt-outs, so the time of a re-subscription is the one in opt_out_history.
--
-- opt_out_received_at and opt_out_applied_at say since when this database could have known of the opt-out, and since when
-- it did. What a person states has no receipt.
CREATE VIEW sent_after_opt_out AS
SELECT
    message_id,
    channel,
    address,
    sender,
    campaign_id,
    status,
    status_at,
    opted_out_at,
    opt_out_received_at,
    opt_out_applied_at,
    opt_out_channel,
    opt_out_sender,
    opt_out_source,
    seconds_after_opt_out
FROM (
    SELECT
        message.message_id,
        message.channel,
        message.recipient AS address,
        message.sender,
        message.campaign_id,
        message.status,
        message.status_at,
        stop.occurred_at AS opted_out_at,
        stop.received_at AS opt_out_received_at,
        stop.applied_at AS opt_out_applied_at,
        stop.channel AS opt_out_channel,
        stop.sender AS opt_out_sender,
        stop.source AS opt_out_source,
        CAST(extract(epoch FROM message.status_at - stop.occurred_at) AS double precision) AS seconds_after_opt_out,
        row_number() OVER (
            PARTITION BY message.message_id
            ORDER BY
                stop.occurred_at, coalesce(stop.received_at, stop.occurred_at), stop.channel, stop.sender,
                coalesce(stop.digest, ''), stop.id
        ) AS place
    FROM opt_out_statements AS stop
    JOIN message_status AS message
        ON stop.person = CASE
            WHEN length(message.recipient) = 14 AND message.recipient NOT LIKE '%@%'
                AND (message.recipient LIKE '+521%' OR message.recipient LIKE '+549%')
                THEN substr(message.recipient, 1, 3) || substr(message.recipient, 5)
            WHEN length(message.recipient) = 14 AND message.recipient NOT LIKE '%@%' AND message.recipient LIKE '+55__9%'
                THEN substr(message.recipient, 1, 5) || substr(message.recipient, 7)
            ELSE message.recipient
        END
        AND message.status_at > stop.occurred_at
    WHERE stop.kind = 'opted_out'
        AND (stop.message_id IS NULL OR stop.message_id <> message.message_id)
        AND NOT EXISTS (
            SELECT 1
            FROM opt_out_history AS again
            WHERE again.kind = 'opted_in'
                AND again.person = stop.person
                AND (again.channel IS NULL OR again.channel = stop.channel)
                AND (again.sender IS NULL OR lower(again.sender) = lower(stop.sender))
                AND again.occurred_at <= message.status_at
                AND (
                    again.occurred_at > coalesce(stop.received_at, stop.occurred_at)
                    OR (
                        again.occurred_at > stop.occurred_at
                        AND message.status_at < coalesce(stop.received_at, stop.occurred_at)
                    )
                )
        )
) AS pairs
WHERE place = 1;


-- Roll-ups

-- What rollup_daily must come to, counted from message_status. Messages are counted by quarters of an hour first, so
-- that the day is looked up once for each quarter and not for each message.
CREATE VIEW rollup_daily_plain AS
SELECT
    CAST((quarter_at AT TIME ZONE 'UTC') + make_interval(secs => (
        SELECT offset_seconds FROM report_calendar WHERE begins_at <= quarter_at ORDER BY begins_at DESC LIMIT 1
    )) AS date) AS day,
    channel,
    sender,
    CAST(sum(delivered) AS bigint) AS delivered,
    CAST(sum(failed) AS bigint) AS failed,
    CAST(sum(undeliverable) AS bigint) AS undeliverable,
    CAST(sum(opt_outs) AS bigint) AS opt_outs,
    CAST(sum(conflicts) AS bigint) AS conflicts
FROM (
    SELECT
        date_bin('15 minutes', status_at, TIMESTAMPTZ '2000-01-01 00:00:00+00') AS quarter_at,
        coalesce(channel, '') AS channel,
        -- Senders that differ in upper and lower case are one; an e-mail address is in lower case anyway.
        CASE WHEN sender LIKE '%@%' THEN sender ELSE upper(coalesce(sender, '')) END AS sender,
        count(*) FILTER (WHERE status = 'delivered') AS delivered,
        count(*) FILTER (WHERE status = 'failed') AS failed,
        count(*) FILTER (WHERE status = 'undeliverable') AS undeliverable,
        count(*) FILTER (WHERE opted_out_at IS NOT NULL) AS opt_outs,
        count(*) FILTER (WHERE conflict) AS conflicts
    FROM message_status
    WHERE status IN ('delivered', 'failed', 'undeliverable') AND status_at IS NOT NULL
    GROUP BY 1, 2, 3
) AS quarters
GROUP BY 1, 2, 3;

-- What rollup_campaigns must come to, counted from message_status.
CREATE VIEW rollup_campaigns_plain AS
SELECT
    campaign_id,
    count(*) FILTER (WHERE status = 'delivered' AND status_at IS NOT NULL) AS delivered,
    count(*) FILTER (WHERE status = 'failed' AND status_at IS NOT NULL) AS failed,
    count(*) FILTER (WHERE status = 'undeliverable' AND status_at IS NOT NULL) AS undeliverable,
    count(*) FILTER (
        WHERE (status IN ('delivered', 'failed', 'undeliverable') AND status_at IS NOT NULL) IS NOT TRUE
    ) AS unfinished,
    count(*) FILTER (WHERE opted_out_at IS NOT NULL) AS opt_outs,
    count(*) FILTER (WHERE conflict) AS conflicts
FROM message_status
WHERE campaign_id IS NOT NULL AND campaign_id <> ''
GROUP BY campaign_id;

-- What rollup_campaign_quarters must come to, counted from message_status.
CREATE VIEW rollup_campaign_quarters_plain AS
SELECT
    campaign_id,
    date_bin('15 minutes', status_at, TIMESTAMPTZ '2000-01-01 00:00:00+00') AS quarter_at,
    count(*) FILTER (WHERE status = 'delivered') AS delivered,
    count(*) FILTER (WHERE status = 'failed') AS failed,
    count(*) FILTER (WHERE status = 'undeliverable') AS undeliverable
FROM message_status
WHERE status IN ('delivered', 'failed', 'undeliverable') AND status_at IS NOT NULL
    AND campaign_id IS NOT NULL AND campaign_id <> ''
GROUP BY 1, 2;

-- What rollup_daily comes to together with the changes that wait in rollup_deltas. The changes are summed by quarters
-- of an hour before their day is looked up: thousands may wait, of few quarters.
CREATE VIEW rollup_daily_now AS
SELECT
    day,
    channel,
    sender,
    CAST(sum(delivered) AS bigint) AS delivered,
    CAST(sum(failed) AS bigint) AS failed,
    CAST(sum(undeliverable) AS bigint) AS undeliverable,
    CAST(sum(opt_outs) AS bigint) AS opt_outs,
    CAST(sum(conflicts) AS bigint) AS conflicts
FROM (
    SELECT day, channel, sender, delivered, failed, undeliverable, opt_outs, conflicts
    FROM rollup_daily
    UNION ALL
    SELECT
        CAST((quarter_at AT TIME ZONE 'UTC') + make_interval(secs => (
            SELECT offset_seconds FROM report_calendar WHERE begins_at <= quarter_at ORDER BY begins_at DESC LIMIT 1
        )) AS date) AS day,
        channel, sender, delivered, failed, undeliverable, opt_outs, conflicts
    FROM (
        SELECT
            quarter_at,
            channel,
            sender,
            CAST(sum(delivered) AS bigint) AS delivered,
            CAST(sum(failed) AS bigint) AS failed,
            CAST(sum(undeliverable) AS bigint) AS undeliverable,
            CAST(sum(opt_outs) AS bigint) AS opt_outs,
            CAST(sum(conflicts) AS bigint) AS conflicts
        FROM rollup_deltas
        WHERE quarter_at IS NOT NULL
        GROUP BY quarter_at, channel, sender
    ) AS waiting
) AS parts
GROUP BY day, channel, sender;

-- What rollup_campaigns comes to together with the changes that wait in rollup_deltas.
CREATE VIEW rollup_campaigns_now AS
SELECT
    campaign_id,
    CAST(sum(delivered) AS bigint) AS delivered,
    CAST(sum(failed) AS bigint) AS failed,
    CAST(sum(undeliverable) AS bigint) AS undeliverable,
    CAST(sum(unfinished) AS bigint) AS unfinished,
    CAST(sum(opt_outs) AS bigint) AS opt_outs,
    CAST(sum(conflicts) AS bigint) AS conflicts
FROM (
    SELECT campaign_id, delivered, failed, undeliverable, unfinished, opt_outs, conflicts
    FROM rollup_campaigns
    UNION ALL
    SELECT campaign_id, delivered, failed, undeliverable, unfinished, opt_outs, conflicts
    FROM rollup_deltas
    WHERE campaign_id <> ''
) AS parts
GROUP BY campaign_id;

-- What rollup_campaign_quarters comes to together with the changes that wait in rollup_deltas.
CREATE VIEW rollup_campaign_quarters_now AS
SELECT
    campaign_id,
    quarter_at,
    CAST(sum(delivered) AS bigint) AS delivered,
    CAST(sum(failed) AS bigint) AS failed,
    CAST(sum(undeliverable) AS bigint) AS undeliverable
FROM (
    SELECT campaign_id, quarter_at, delivered, failed, undeliverable
    FROM rollup_campaign_quarters
    UNION ALL
    SELECT campaign_id, quarter_at, delivered, failed, undeliverable
    FROM rollup_deltas
    WHERE campaign_id <> '' AND quarter_at IS NOT NULL
) AS parts
GROUP BY campaign_id, quarter_at;


-- Reports, for people and BI tools

-- How the messages of each day ended.
CREATE VIEW report_daily AS
SELECT
    day,
    channel,
    sender,
    finalised,
    delivered,
    failed,
    undeliverable,
    opt_outs,
    conflicts,
    CAST(delivered AS double precision) / nullif(finalised, 0) AS delivery_rate,
    CAST(opt_outs AS double precision) / nullif(delivered, 0) AS opt_out_rate
FROM (
    SELECT
        day, channel, sender,
        delivered + failed + undeliverable AS finalised,
        delivered, failed, undeliverable, opt_outs, conflicts
    FROM rollup_daily_now
) AS sums
WHERE finalised <> 0;

-- Where each campaign stands. A campaign of which only events or only messages are known has a row too.
CREATE VIEW report_campaigns AS
SELECT
    sums.campaign_id,
    campaign.name,
    coalesce(campaign.channel, '') AS channel,
    campaign.status,
    campaign.sent_at,
    campaign.completed_at,
    CAST(extract(epoch FROM campaign.completed_at - campaign.sent_at) AS double precision) AS duration_seconds,
    campaign.message_total,
    finalised + unfinished AS messages,
    finalised,
    delivered,
    failed,
    undeliverable,
    unfinished,
    opt_outs,
    conflicts,
    CASE
        WHEN campaign.status = 'completed' AND campaign.message_total >= finalised
            THEN campaign.message_total - finalised
        WHEN campaign.status = 'completed' AND campaign.message_total < finalised
            THEN 0
    END AS silent,
    CAST(delivered AS double precision) / nullif(finalised, 0) AS delivery_rate,
    CAST(opt_outs AS double precision) / nullif(delivered, 0) AS opt_out_rate
FROM (
    SELECT
        campaign_id,
        CAST(sum(delivered + failed + undeliverable) AS bigint) AS finalised,
        CAST(sum(delivered) AS bigint) AS delivered,
        CAST(sum(failed) AS bigint) AS failed,
        CAST(sum(undeliverable) AS bigint) AS undeliverable,
        CAST(sum(unfinished) AS bigint) AS unfinished,
        CAST(sum(opt_outs) AS bigint) AS opt_outs,
        CAST(sum(conflicts) AS bigint) AS conflicts
    FROM (
        SELECT campaign_id, delivered, failed, undeliverable, unfinished, opt_outs, conflicts
        FROM rollup_campaigns
        UNION ALL
        SELECT
            campaign_id, sum(delivered), sum(failed), sum(undeliverable), sum(unfinished), sum(opt_outs), sum(conflicts)
        FROM rollup_deltas
        WHERE campaign_id <> ''
        GROUP BY campaign_id
        UNION ALL
        SELECT campaign_id, 0, 0, 0, 0, 0, 0
        FROM campaign_status
    ) AS parts
    GROUP BY campaign_id
) AS sums
LEFT JOIN campaign_status AS campaign ON campaign.campaign_id = sums.campaign_id
WHERE finalised + unfinished <> 0 OR campaign.campaign_id IS NOT NULL;

-- Why messages failed. Rows are grouped twice: reasons that differ only in what is masked are the same reason.
CREATE VIEW report_failures AS
SELECT
    day,
    channel,
    failure_code,
    failure_reason,
    messages,
    CAST(sum(messages) OVER (PARTITION BY day, channel) AS bigint) AS failures,
    CAST(messages AS double precision) / nullif(sum(messages) OVER (PARTITION BY day, channel), 0) AS share,
    first_seen_at,
    last_seen_at,
    message_id
FROM (
    SELECT
        day,
        channel,
        failure_code,
        -- Addresses first, then numbers of seven digits or more, however they are grouped.
        regexp_replace(
            regexp_replace(failure_reason, '[^\s@<>(),:;]+@[^\s@<>(),:;]+', '****@****', 'g'),
            '\+?\d(?:[\s().\-/]{0,2}\d){6,}', '****', 'g'
        ) AS failure_reason,
        CAST(sum(messages) AS bigint) AS messages,
        min(first_seen_at) AS first_seen_at,
        max(last_seen_at) AS last_seen_at,
        min(message_id) AS message_id
    FROM (
        SELECT
            CAST((status_at AT TIME ZONE 'UTC') + make_interval(secs => offset_seconds) AS date) AS day,
            coalesce(channel, '') AS channel,
            coalesce(failure_code, '') AS failure_code,
            coalesce(failure_reason, '') AS failure_reason,
            count(*) AS messages,
            min(status_at) AS first_seen_at,
            max(status_at) AS last_seen_at,
            min(message_id) AS message_id
        FROM message_status
        JOIN report_calendar ON status_at >= begins_at AND status_at < ends_at
        WHERE status IN ('failed', 'undeliverable') AND status_at IS NOT NULL
        GROUP BY 1, 2, 3, 4
    ) AS unmasked
    GROUP BY 1, 2, 3, 4
) AS reasons;

-- How many opted out each day, beside what was delivered that day. Of one person, channel and sender the latest opt-out
-- counts, and senders that differ in upper and lower case are one. One opt-out counts once, though it holds for several
-- addresses. Counted by quarters of an hour first.
CREATE VIEW report_opt_outs AS
SELECT
    stops.day,
    stops.channel,
    source,
    opt_outs,
    in_force,
    coalesce(delivered, 0) AS delivered,
    CAST(opt_outs AS double precision) / nullif(delivered, 0) AS opt_out_rate
FROM (
    SELECT
        CAST((quarter_at AT TIME ZONE 'UTC') + make_interval(secs => (
            SELECT offset_seconds FROM report_calendar WHERE begins_at <= quarter_at ORDER BY begins_at DESC LIMIT 1
        )) AS date) AS day,
        channel,
        source,
        CAST(sum(opt_outs) AS bigint) AS opt_outs,
        CAST(sum(in_force) AS bigint) AS in_force
    FROM (
        SELECT
            date_bin('15 minutes', opted_out_at, TIMESTAMPTZ '2000-01-01 00:00:00+00') AS quarter_at,
            channel,
            source,
            count(DISTINCT coalesce(opt_out_id, person)) AS opt_outs,
            0 AS in_force
        FROM (
            SELECT channel, source, opted_out_at, opt_out_id, person, row_number() OVER (
                PARTITION BY person, channel, upper(sender)
                ORDER BY opted_out_at DESC, received_at DESC, address, sender
            ) AS place
            FROM opt_outs
        ) AS of_person
        WHERE place = 1
        GROUP BY 1, 2, 3
        UNION ALL
        SELECT
            date_bin('15 minutes', opted_out_at, TIMESTAMPTZ '2000-01-01 00:00:00+00') AS quarter_at,
            channel,
            source,
            0 AS opt_outs,
            count(DISTINCT coalesce(opt_out_id, person)) AS in_force
        FROM (
            SELECT channel, source, opted_out_at, opt_out_id, person, row_number() OVER (
                PARTITION BY person, channel, upper(sender)
                ORDER BY opted_out_at DESC, received_at DESC, address, sender
            ) AS place
            FROM active_opt_outs
        ) AS of_person
        WHERE place = 1
        GROUP BY 1, 2, 3
    ) AS quarters
    GROUP BY 1, 2, 3
) AS stops
LEFT JOIN (
    SELECT day, channel, CAST(sum(delivered) AS bigint) AS delivered
    FROM report_daily
    WHERE channel <> ''
    GROUP BY day, channel
    UNION ALL
    SELECT day, '', CAST(sum(delivered) AS bigint)
    FROM report_daily
    GROUP BY day
) AS deliveries ON deliveries.day = stops.day AND deliveries.channel = stops.channel;

-- How long events take from the provider to the tables. An event without a time of its own has no lag until receipt.
-- What was asked for took as long as nobody asked, so it does not count.
CREATE VIEW report_lag AS
SELECT
    hour,
    count(*) AS events,
    count(received_lag) AS dated,
    percentile_disc(0.5) WITHIN GROUP (ORDER BY received_lag) AS received_p50_seconds,
    percentile_disc(0.9) WITHIN GROUP (ORDER BY received_lag) AS received_p90_seconds,
    percentile_disc(0.99) WITHIN GROUP (ORDER BY received_lag) AS received_p99_seconds,
    percentile_disc(0.5) WITHIN GROUP (ORDER BY applied_lag) AS applied_p50_seconds,
    percentile_disc(0.9) WITHIN GROUP (ORDER BY applied_lag) AS applied_p90_seconds,
    percentile_disc(0.99) WITHIN GROUP (ORDER BY applied_lag) AS applied_p99_seconds
FROM (
    SELECT
        -- In the words of the index ix_events_received_hour.
        date_bin('1 hour', received_at, TIMESTAMPTZ '2000-01-01 00:00:00+00') AS hour,
        CASE
            WHEN is_dated THEN CAST(extract(epoch FROM received_at - occurred_at) AS double precision)
        END AS received_lag,
        CAST(extract(epoch FROM applied_at - received_at) AS double precision) AS applied_lag
    FROM events
    WHERE origin = 'signed'
) AS lags
GROUP BY hour;

-- How messages to each address end. With the barrier, a function of the person who asks cannot be handed the addresses
-- before they are masked.
CREATE VIEW report_recipients WITH (security_barrier) AS
WITH ended AS (
    SELECT
        coalesce(channel, '') AS channel,
        recipient AS address,
        count(*) AS messages,
        max(CASE WHEN status IN ('delivered', 'failed', 'undeliverable') THEN status_at END) AS last_status_at,
        max(CASE WHEN status = 'delivered' THEN status_at END) AS last_delivered_at,
        max(CASE WHEN status = 'undeliverable' THEN status_at END) AS last_undeliverable_at,
        max(message_id) AS message_id
    FROM message_status
    WHERE recipient IS NOT NULL
    GROUP BY 1, 2
), failing AS (
    SELECT ended.channel, ended.address, count(*) AS failures
    FROM ended
    JOIN message_status AS message
        ON message.recipient = ended.address AND coalesce(message.channel, '') = ended.channel
    WHERE status IN ('failed', 'undeliverable')
        AND status_at IS NOT NULL
        AND (last_delivered_at IS NULL OR status_at > last_delivered_at)
    GROUP BY 1, 2
)
SELECT
    ended.channel,
    CASE
        WHEN ended.address LIKE '+%' AND length(ended.address) >= 12
            THEN substr(ended.address, 1, 6) || '****' || substr(ended.address, length(ended.address) - 1)
        WHEN ended.address LIKE '_%@%'
            THEN substr(ended.address, 1, 1) || '****'
                || substr(ended.address, length(rtrim(ended.address, replace(ended.address, '@', ''))))
        ELSE substr(ended.address, 1, 1) || '****'
    END AS address,
    messages,
    CASE
        WHEN last_delivered_at = last_status_at THEN 'delivered'
        WHEN last_undeliverable_at = last_status_at THEN 'undeliverable'
        WHEN last_status_at IS NOT NULL THEN 'failed'
    END AS last_status,
    last_status_at,
    last_delivered_at,
    coalesce(failures, 0) AS failures_in_a_row,
    EXISTS (SELECT 1 FROM active_opt_outs AS stop WHERE stop.address = ended.address) AS opted_out,
    message_id
FROM ended
LEFT JOIN failing ON failing.channel = ended.channel AND failing.address = ended.address;


-- What the reports and their columns mean

COMMENT ON VIEW report_daily IS 'How the messages of each day ended, one row per day, channel and sender.';
COMMENT ON COLUMN report_daily.day IS
    'day, in the time zone of the reports, on which the messages got their final status';
COMMENT ON COLUMN report_daily.channel IS 'sms, whatsapp, telegram, email or slack; empty if no event names it';
COMMENT ON COLUMN report_daily.sender IS 'the sender id or address; empty if no event names it';
COMMENT ON COLUMN report_daily.finalised IS 'messages with a final status: delivered + failed + undeliverable';
COMMENT ON COLUMN report_daily.delivered IS 'messages that reached the recipient, or that the carrier accepted';
COMMENT ON COLUMN report_daily.failed IS 'messages that failed after all attempts';
COMMENT ON COLUMN report_daily.undeliverable IS 'messages that cannot be delivered, such as to an invalid number';
COMMENT ON COLUMN report_daily.opt_outs IS
    'of these messages, those that were answered with an opt-out (STOP, or a click on unsubscribe)';
COMMENT ON COLUMN report_daily.conflicts IS
    'of these messages, those whose events state two different final statuses; the later one counts';
COMMENT ON COLUMN report_daily.delivery_rate IS 'delivered / finalised, from 0 to 1; null if the latter is 0';
COMMENT ON COLUMN report_daily.opt_out_rate IS 'opt_outs / delivered, from 0 to 1; null if the latter is 0';

COMMENT ON VIEW report_campaigns IS
    'How each campaign stands, one row a campaign of which an event or a message is known.';
COMMENT ON COLUMN report_campaigns.campaign_id IS 'the campaign';
COMMENT ON COLUMN report_campaigns.name IS 'its name, if an event tells it';
COMMENT ON COLUMN report_campaigns.channel IS 'its channel, if an event tells it, else empty';
COMMENT ON COLUMN report_campaigns.status IS 'sent or completed; null if only messages of it are known';
COMMENT ON COLUMN report_campaigns.sent_at IS 'when all its messages were handed to carriers, UTC';
COMMENT ON COLUMN report_campaigns.completed_at IS 'when every message had a final status, as the provider says, UTC';
COMMENT ON COLUMN report_campaigns.duration_seconds IS 'completed_at - sent_at';
COMMENT ON COLUMN report_campaigns.message_total IS 'how many messages it has, if an event tells it';
COMMENT ON COLUMN report_campaigns.messages IS 'messages of it that are known: finalised + unfinished';
COMMENT ON COLUMN report_campaigns.finalised IS 'messages with a final status: delivered + failed + undeliverable';
COMMENT ON COLUMN report_campaigns.delivered IS 'messages that reached the recipient, or that the carrier accepted';
COMMENT ON COLUMN report_campaigns.failed IS 'messages that failed after all attempts';
COMMENT ON COLUMN report_campaigns.undeliverable IS 'messages that cannot be delivered';
COMMENT ON COLUMN report_campaigns.unfinished IS 'messages that are known, but no final status of them';
COMMENT ON COLUMN report_campaigns.opt_outs IS
    'of these messages, those that were answered with an opt-out (STOP, or a click on unsubscribe)';
COMMENT ON COLUMN report_campaigns.conflicts IS
    'of these messages, those whose events state two different final statuses; the later one counts';
COMMENT ON COLUMN report_campaigns.silent IS
    'message_total - finalised of a completed campaign: messages whose end no event tells; '
    'null while it is not completed, or if no event tells the total';
COMMENT ON COLUMN report_campaigns.delivery_rate IS 'delivered / finalised, from 0 to 1; null if the latter is 0';
COMMENT ON COLUMN report_campaigns.opt_out_rate IS 'opt_outs / delivered, from 0 to 1; null if the latter is 0';

COMMENT ON VIEW report_failures IS 'Why messages failed, one row per day, channel, code and reason.';
COMMENT ON COLUMN report_failures.day IS
    'day, in the time zone of the reports, on which the messages got their final status';
COMMENT ON COLUMN report_failures.channel IS 'sms, whatsapp, telegram, email or slack; empty if no event names it';
COMMENT ON COLUMN report_failures.failure_code IS 'the code the provider gives; empty if it gives none';
COMMENT ON COLUMN report_failures.failure_reason IS
    'the reason the provider gives, numbers and addresses in it masked; else empty';
COMMENT ON COLUMN report_failures.messages IS 'messages that failed or are undeliverable for this reason';
COMMENT ON COLUMN report_failures.failures IS 'all messages of this day and channel that failed or are undeliverable';
COMMENT ON COLUMN report_failures.share IS 'messages / failures, from 0 to 1';
COMMENT ON COLUMN report_failures.first_seen_at IS 'when the first of them failed that day, UTC';
COMMENT ON COLUMN report_failures.last_seen_at IS 'when the last of them failed that day, UTC';
COMMENT ON COLUMN report_failures.message_id IS 'one of them';

COMMENT ON VIEW report_opt_outs IS 'How many left, one row per day, channel and source.';
COMMENT ON COLUMN report_opt_outs.day IS 'day, in the time zone of the reports, of the opt-out itself';
COMMENT ON COLUMN report_opt_outs.channel IS 'the channel it holds for; empty if it holds for any';
COMMENT ON COLUMN report_opt_outs.source IS 'event or failure (both stated by the provider), manual or import';
COMMENT ON COLUMN report_opt_outs.opt_outs IS
    'opt-outs of that day; of a person who opted out again the latest day counts';
COMMENT ON COLUMN report_opt_outs.in_force IS 'those of them that no later opt-in has ended';
COMMENT ON COLUMN report_opt_outs.delivered IS
    'messages delivered that day on that channel; on all channels if it is empty';
COMMENT ON COLUMN report_opt_outs.opt_out_rate IS 'opt_outs / delivered; null if the latter is 0';

COMMENT ON VIEW report_lag IS 'How long events take from the provider to the tables, one row an hour.';
COMMENT ON COLUMN report_lag.hour IS 'begin of the hour in which the events were received, UTC';
COMMENT ON COLUMN report_lag.events IS 'facts of the ledger that were received in it, but for what was asked for';
COMMENT ON COLUMN report_lag.dated IS 'those of them that name the time they occurred';
COMMENT ON COLUMN report_lag.received_p50_seconds IS 'median of received - occurred, of those that are dated';
COMMENT ON COLUMN report_lag.received_p90_seconds IS 'nine of ten were received within this time after they occurred';
COMMENT ON COLUMN report_lag.received_p99_seconds IS
    '99 of a hundred were received within this time after they occurred';
COMMENT ON COLUMN report_lag.applied_p50_seconds IS 'median of applied - received, of all';
COMMENT ON COLUMN report_lag.applied_p90_seconds IS
    'nine of ten were applied within this time after they were received';
COMMENT ON COLUMN report_lag.applied_p99_seconds IS
    '99 of a hundred were applied within this time after they were received';

COMMENT ON VIEW report_recipients IS
    'How messages to each address end: the list to clean. One row per channel and address.';
COMMENT ON COLUMN report_recipients.channel IS 'sms, whatsapp, telegram, email or slack; empty if no event names it';
COMMENT ON COLUMN report_recipients.address IS 'the address, masked as +24491****78 or a****@example.com';
COMMENT ON COLUMN report_recipients.messages IS 'messages to it that are known';
COMMENT ON COLUMN report_recipients.last_status IS 'how the last of them ended; null if none has a final status';
COMMENT ON COLUMN report_recipients.last_status_at IS 'when the last of them ended, UTC';
COMMENT ON COLUMN report_recipients.last_delivered_at IS 'when one was last delivered, UTC; null if never';
COMMENT ON COLUMN report_recipients.failures_in_a_row IS 'messages that failed or are undeliverable since then';
COMMENT ON COLUMN report_recipients.opted_out IS
    'whether an opt-out of this address is in force, for whatever channel or sender';
COMMENT ON COLUMN report_recipients.message_id IS 'one of the messages: message_status has the full address under it';
