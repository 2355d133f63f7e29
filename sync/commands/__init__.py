"""The commands of `zexa-sync`, one a module."""
