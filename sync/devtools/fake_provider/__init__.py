"""A provider that behaves as Zexa's documentation says, and fails in every way on demand: for tests and `make run`.

It delivers to this machine only, and knows nobody.
"""
