"""What concerns the provider: its REST API (https://zexa.ao/docs), the webhook registered there, and outages.

The API documents three calls. What else is tried may not be offered, which is no mistake. `reconcile` asks what became
of messages whose events were lost, and merges the answers as polled facts.

Nothing is imported here: web processes load this folder for the marks of outages, and not the API's client.
"""
