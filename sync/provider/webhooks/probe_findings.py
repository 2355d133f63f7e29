"""Every problem that a probe may end with.

These are the words that are shown. The runbook has an entry for each.
"""

from sync.terminal.findings import problem

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
