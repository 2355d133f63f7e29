"""The statements by which events become rows. Every function works inside the caller's transaction.

Locks are taken table by table, each in the order of its keys. First is the inbox, then the ledger, the status rows, the
history of opt-outs, `opt_outs`, and dead letters. So workers wait for each other, and never in a circle.
"""
