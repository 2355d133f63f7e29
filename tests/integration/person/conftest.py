"""The tests of a module share a database of each kind."""

from tests.support.one_database import *  # noqa: F403
