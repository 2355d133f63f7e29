"""Every problem and warning of clocks, processes and deliveries.

These are the words that are shown. The runbook has an entry for each.
"""

from sync.terminal.findings import problem, warning

# Clocks

CLOCKS_DIFFER = problem(
    "clock",
    "clocks differ by {seconds} s: {lines}",
    "set the wrong clock by NTP (`timedatectl set-ntp true`); look-ups and the rule of merging go by clocks",
)
CLOCKS_DRIFT = warning(
    "clock", "clocks differ by {seconds} s: {lines}", "let NTP set the clocks (`timedatectl set-ntp true`)"
)

# Processes and what waits

WEB_NEVER = warning("web", "no web process has started yet", "start the web process of the Procfile")
WEB_GONE = problem(
    "web",
    "no web process runs, the last was seen {ago}: deliveries are refused",
    "start the web process of the Procfile, and look at the end of its log",
)
WORKERS_NEVER = problem(
    "workers", "no worker runs: what is accepted waits", "start the worker process of the Procfile (`zexa-sync worker`)"
)
WORKERS_GONE = problem(
    "workers",
    "no worker was seen for a minute, the last {ago}: what is accepted waits",
    "start the worker process of the Procfile (`zexa-sync worker`), and look at the end of its log",
)
QUEUE_OLD = warning(
    "queue",
    "jobs in the queue: {jobs}, the oldest waits for {age}",
    "start more workers; if the queue does not get shorter, look for `database.away` and `batch.held` in their logs",
)
JOBS_FAILED = problem(
    "failed_jobs",
    "failed jobs that wait for a person: {jobs}",
    "find the reason with `zexa-sync dead-letters list`, then `zexa-sync dead-letters requeue --all`",
)
DEAD_LETTERS = warning(
    "dead_letters",
    "dead letters that wait for a person: {bodies}",
    "`zexa-sync dead-letters list`, then `replay --all --ignored` or `resolve`",
)
DEAD_LETTERS_HOLD = problem(
    "dead_letters",
    "dead letters: {bodies}, and one may be an opt-out, so look-ups answer `unknown`",
    "`zexa-sync dead-letters list`: opt the person out, then `replay --all --ignored` or `resolve`",
)
TASKS_OLD = warning(
    "tasks",
    "work that somebody asked for in the console waits for {age}, though a worker runs",
    "deploy the version of web to the workers too; if they have it, look for `task.failed` in their log",
)
INBOX_OLD = problem(
    "inbox",
    "events in the inbox: {rows}, the oldest waits for {age}",
    "start a worker; if one runs, look for `inbox.failed` and `database.away` in its log",
)

# Deliveries

REFUSED_WRONG = problem(
    "refusals",
    "in the last hour {refused} refused for a wrong signature, {accepted} accepted",
    "copy the secret from Zexa's dashboard (Settings → Webhooks) into ZEXA_WEBHOOK_SECRET, and restart web",
)
REFUSED_RETIRED = problem(
    "refusals",
    "in the last hour {refused} refused that a retired secret signed, {accepted} accepted",
    "change the secret in Zexa's dashboard, or move it from ZEXA_RETIRED_SECRETS back to ZEXA_WEBHOOK_SECRET",
)
REFUSED_UNSIGNED = problem(
    "refusals",
    "in the last hour {refused} refused that had no whole signature, {accepted} accepted",
    "let every proxy pass the header X-Zexa-Signature on; if there is none, somebody else sends these",
)
REFUSED_TOO_LARGE = problem(
    "refusals",
    "in the last hour {refused} refused that were larger than 256 KiB, {accepted} accepted",
    "see `delivery.refused` in web's log: Zexa sends none so large, so who does?",
)
NOT_STORED = problem(
    "refusals",
    "in the last hour {refused} answered 503, because neither store took them, {accepted} accepted",
    "bring Redis or the database back within 36 minutes: Zexa redelivers for that long",
)
REFUSED_SOME = warning(
    "refusals",
    "in the last hour {refused} refused, {accepted} accepted ({reasons})",
    "see `delivery.refused` in web's log: who signs with another secret, or sends too much?",
)
SILENT = problem(
    "silence",
    "nothing came for {silence}, and the longest usual gap of this hour is {gap}",
    "`zexa-sync doctor --url URL` shows whether a delivery gets through; then ask Zexa whether its webhook is on",
)
UNREACHABLE = problem(
    "outages",
    "no delivery can be acknowledged: {outage}",
    "start the web process of the Procfile, or bring Redis or the database back",
)
OUTAGES = problem(
    "outages",
    "events may be missing: {outage}; a STOP among them can be neither named nor asked for",
    "`zexa-sync outages` shows what is missing; import Zexa's own opt-out list (`zexa-sync opt-outs import FILE`), "
    "then `zexa-sync outages resolve --by NAME --reason TEXT`",
)
COPIES = warning(
    "copies",
    "each event comes {times}, {gap} ms apart: two webhooks registered?",
    "leave one webhook in Zexa's dashboard (Settings → Webhooks); copies change nothing and cost time",
)
