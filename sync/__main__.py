"""`python -m sync` is `zexa-sync`. Nothing slow is imported before Ctrl-C is taken care of."""

from sync.terminal.interrupt import silent_interrupt


def main() -> None:
    """Run the command line."""
    with silent_interrupt():
        from sync.cli import main as command_line  # noqa: PLC0415
    command_line()


if __name__ == "__main__":
    main()
