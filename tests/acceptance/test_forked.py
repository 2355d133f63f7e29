"""What the fork server forks is a process as one that is executed is."""

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.support.forked import CAN_FORK, Forked

pytestmark = pytest.mark.skipif(not CAN_FORK, reason="there is no fork server elsewhere")

TOLD = """
import json, os, signal, sys, threading
OURS = ("sync", "receiver", "models", "migrations")
print(json.dumps({
    "pid": os.getpid(), "folder": os.getcwd(), "environ": dict(os.environ), "words": sys.argv[1:],
    "loaded": [name for name in sys.modules if name.partition(".")[0] in OURS], "threads": threading.active_count(),
    "is_interrupted": signal.getsignal(signal.SIGINT) is signal.default_int_handler, "input": sys.stdin.read(),
    "sought": [file.seekable() for file in (sys.stdin, sys.stdout, sys.stderr)],
    "is_loaded": "sqlalchemy" in sys.modules, "files": sorted(os.listdir("/proc/self/fd"), key=int)[:-1],
}))
print("to the other", file=sys.stderr)
sys.exit(3)
"""


def test_it_has_the_environment_folder_files_and_status_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "told.py").write_text(TOLD)
    environ = {"PYTHONPATH": str(tmp_path), "ZEXA_WEBHOOK_SECRET": "a secret"}
    reader, writer = os.pipe()
    command = ["python", "-m", "told", "--all"]
    process = Forked(command, env=environ, cwd=tmp_path, stdout=writer, stderr=subprocess.PIPE)
    os.close(writer)
    assert process.communicate(20) == ("", "to the other\n")
    assert process.wait() == 3
    with open(reader) as output:
        report = json.loads(output.read())
    assert report.pop("pid") != os.getpid()
    assert report == {
        "folder": str(tmp_path),
        "environ": environ,
        "words": ["--all"],
        "loaded": [],
        "threads": 1,
        "is_interrupted": True,
        "input": "",
        "sought": [True, False, True],
        "is_loaded": True,
        "files": ["0", "1", "2"],
    }


def test_what_returns_has_run_once_in_a_session_of_its_own_if_that_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "returning.py").write_text("import os\nprint(os.getpid() == os.getsid(0) == os.getpgid(0))\n")
    environ = {"PYTHONPATH": str(tmp_path)}
    for leads in (True, False):
        process = Forked(
            ["python", "-m", "returning"], cwd=tmp_path, env=environ, stdout=subprocess.PIPE, start_new_session=leads
        )
        assert process.communicate(20) == (f"{leads}\n", "")
        assert process.wait() == 0


def test_it_takes_signals_by_its_id_and_says_which_ended_it(tmp_path: Path) -> None:
    (tmp_path / "lasting.py").write_text("import os, time\nprint(os.getpid(), flush=True)\ntime.sleep(60)\n")
    with (tmp_path / "output").open("w+") as output:
        environ = {"PYTHONPATH": str(tmp_path)}
        lasting = [Forked(["python", "-m", "lasting"], cwd=tmp_path, env=environ, stdout=output) for _ in range(2)]
        with pytest.raises(subprocess.TimeoutExpired):
            lasting[0].wait(0.01)
        lasting[0].send_signal(signal.SIGSTOP)
        lasting[0].kill()
        assert lasting[0].wait(20) == -signal.SIGKILL
        assert lasting[1].poll() is None
        os.kill(lasting[1].pid, signal.SIGTERM)
        assert lasting[1].wait(20) == -signal.SIGTERM
