"""Recomputes every row from the ledger, for `zexa-sync rebuild`: what the facts make, what is stored, and the repair.

The ledger itself is only ever read here.
"""
