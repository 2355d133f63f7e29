"""Ctrl-C at any moment of a start: silence or one line, and exit status 130."""

import signal
import subprocess
import sys

import pytest

from tests.support.processes import ROOT


@pytest.mark.parametrize("module", ["sync.cli", "click", "sync.status.command", "sync.suppression"])
def test_ctrl_c_while_modules_are_imported_ends_in_silence(module: str) -> None:
    """A module that takes its time stands in for a slow disk."""
    program = f"""
import runpy, sys, time
class Slow:
    def find_spec(name, path, target=None):
        if name == {module!r}:
            print("importing", flush=True)
            time.sleep(30)
sys.meta_path.insert(0, Slow)
sys.argv = ["zexa-sync", "status"]
runpy.run_module("sync", run_name="__main__", alter_sys=True)
"""
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # If the tests run in the background, the shell may have Ctrl-C ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 - one thread, one call
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "importing\n"
    process.send_signal(signal.SIGINT)
    output, complaint = process.communicate(timeout=20)
    assert (process.returncode, output, complaint) == (130, "", "")
