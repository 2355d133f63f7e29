"""Counts what became of the messages, and answers the questions people ask of that.

Roll-ups are kept by the transactions that apply events (`contribution`, `deltas`), compacted now and then
(`compacting`), and made anew from the rows (`remaking`). What is asked of the views stands in `queries`.
"""
