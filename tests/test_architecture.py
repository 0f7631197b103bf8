"""Who may import whom: an import goes down the house only."""

import ast
import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "deepracer_viz"
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
}

# A room may import from these rooms (and from itself); errors may be imported everywhere.
BELOW = {
    "logs": set(),
    "track": set(),
    "episodes": {"logs"},
    "assembly": {"logs", "episodes"},
    "run": {"logs", "episodes", "assembly", "track"},
    "chain": {"logs", "run", "track"},
    "follow": {"logs", "run", "track"},
    "analysis": {"track"},
    "charts": {"analysis", "track"},
    # What is taken along are the tables of a run and the answers to its drives, without charts or page.
    "export": {"analysis", "logs", "run"},
    "page": {"analysis", "charts", "export", "logs", "run", "track", "chain", "follow", ""},
    "": {"logs", "run", "track", "chain", "follow"},
}
ERRORS = "deepracer_viz.logs.errors"


def imports(path: Path, name: str) -> set[str]:
    """Full names of everything a module imports, wherever in it the import stands."""
    found = set()
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            if node.level:
                module = importlib.util.resolve_name("." * node.level + module, package)
            found |= {f"{module}.{alias.name}" for alias in node.names}
    return found


def room(module: str) -> str:
    """First part of a module's name inside the package; "" for the package itself."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 and parts[1] in BELOW else ""


def test_every_room_of_the_house_has_its_rule():
    assert {room(name) for name in MODULES} == set(BELOW)
    assert {name for name in MODULES if room(name) == ""} == {"deepracer_viz"}


@pytest.mark.parametrize("name", MODULES)
def test_imports_go_down_only(name):
    here = room(name)
    inside = {other for other in imports(MODULES[name], name) if other.split(".")[0] == "deepracer_viz"}
    upward = {
        other for other in inside if room(other) not in BELOW[here] | {here} and not other.startswith(ERRORS)
    }
    assert not upward


@pytest.mark.parametrize("name", MODULES)
def test_only_the_page_knows_streamlit_and_only_charts_and_page_know_altair(name):
    outside = {other.split(".")[0] for other in imports(MODULES[name], name)}
    if room(name) != "page":
        assert "streamlit" not in outside
    if room(name) not in ("page", "charts"):
        assert "altair" not in outside


def test_analysis_knows_the_logs_by_their_tables_alone():
    for name, path in MODULES.items():
        if room(name) == "analysis":
            assert not {
                o for o in imports(path, name) if o.startswith(("deepracer_viz.run", "deepracer_viz.logs"))
            } - {f"{ERRORS}.LogError"}


def test_the_rules_catch_what_they_are_for(tmp_path):
    module = tmp_path / "a.py"
    module.write_text(
        "import altair as alt\ndef f():\n    from streamlit import cache_data\nfrom ..run import load_run\n"
    )
    assert imports(module, "deepracer_viz.analysis.a") == {
        "altair",
        "streamlit.cache_data",
        "deepracer_viz.run.load_run",
    }
    assert room("deepracer_viz.run.load_run") == "run" and room("deepracer_viz.LogError") == ""
