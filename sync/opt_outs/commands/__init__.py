"""The subcommands of `zexa-sync opt-outs`: each module of this package is loaded only when its command is asked for."""
