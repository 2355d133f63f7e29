"""The project's own benchmark: real processes under load, each figure beside its yardsticks of the same run."""
