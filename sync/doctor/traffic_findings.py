"""Every problem and warning of clocks, processes, deliveries and the probe.

These are the words that are shown. The runbook has an entry for each.
"""

from sync.doctor.check import problem, warning

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

# The probe

_SEND = "correct the URL in Zexa's dashboard (Settings → Webhooks) and here"
PROBE_URL = problem("probe", "URL: {line}", "give the whole URL, such as https://example.com/webhooks/zexa")
PROBE_DNS = problem("probe", "DNS: the name of the host has no address", f"make the name in DNS, or {_SEND}")
PROBE_CONNECT = problem(
    "probe",
    "connection: the address does not take one ({error})",
    "open the port in the firewall, start the proxy or web, and set ZEXA_BIND so that the proxy reaches it",
)
PROBE_TLS = problem(
    "probe",
    "TLS: {error}",
    "give the host a certificate that a public authority signed for its name, with the whole chain",
)
PROBE_SILENT = problem(
    "probe", "HTTP: no answer came ({error})", "see whether the port speaks HTTP, and whether the proxy reaches web"
)
PROBE_REDIRECT = problem(
    "probe",
    "redirect: {status} to {target}; a delivery does not follow it",
    "enter the URL that it leads to in Zexa's dashboard, or end the redirect",
)
PROBE_FORBIDDEN = problem(
    "probe",
    "403: web has another secret, or a proxy changes the request",
    "set ZEXA_WEBHOOK_SECRET alike for web and this command and restart web; `delivery.refused` in its log says why",
)
PROBE_NOT_FOUND = problem("probe", "{status}: not the path of the webhook", f"end it with /webhooks/zexa: {_SEND}")
PROBE_TOO_LARGE = problem(
    "probe",
    "413: a proxy refuses a body of {bytes} bytes",
    "let the proxy take 256 KiB (nginx: client_max_body_size 256k)",
)
PROBE_NOT_STORED = problem(
    "probe",
    "503: neither Redis nor the database could store it, or a proxy answers for web",
    "see the checks of redis and database, `delivery.not_stored` in web's log, and the proxy's log",
)
PROBE_GATEWAY = problem(
    "probe",
    "{status}: a proxy answers, and does not reach web",
    "start web, and let the proxy pass requests on to the address and port of ZEXA_BIND and PORT",
)
PROBE_ANSWERED = problem(
    "probe", "{status}: another program than web answers", "see what stands between: a proxy, a log-in, a firewall"
)
PROBE_WAITS = problem(
    "probe",
    "acknowledged but not applied within {seconds} s: it waits in the {place}",
    "start a worker, with the same REDIS_URL and DATABASE_URL as web; see the checks of workers and queue",
)
PROBE_ELSEWHERE = problem(
    "probe",
    "acknowledged but not applied within {seconds} s, and it is in neither store",
    "give web, worker and this command the same REDIS_URL and DATABASE_URL: the URL leads to another installation",
)
