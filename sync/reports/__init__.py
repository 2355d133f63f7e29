"""Answers the questions people ask of what became of the messages: reads the views of the reports (`queries`).

The counts below them are kept by `sync.rollups`.
"""
