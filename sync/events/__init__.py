"""Events: what a body states, and how it is read. Pure: no clock, no database.

The provider's public documentation of webhooks names six events and shows one sample. Everything else is read
tolerantly: the obvious names of a field, snake_case first, and any common form of a time. An event is never refused
for what it lacks, only for what could not be stored or attributed.
"""
