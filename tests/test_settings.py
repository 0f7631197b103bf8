"""The settings of the page are safe, and Streamlit knows each of them."""

import tomllib
from pathlib import Path

from streamlit import config

SETTINGS = Path(__file__).resolve().parent.parent / ".streamlit" / "config.toml"

SAFE = {
    "browser.gatherUsageStats": False,
    "client.showErrorDetails": "none",
    "client.showErrorLinks": False,
    "client.toolbarMode": "viewer",
    "server.enableCORS": True,
    "server.enableXsrfProtection": True,
    "server.enableStaticServing": False,
    "server.enableAgentApi": False,
    "server.fileWatcherType": "none",
    "server.maxUploadSize": 1024,
    "server.disconnectedSessionTTL": 120,
}


def flat(settings: dict, above: str = "") -> dict:
    found = {}
    for name, value in settings.items():
        found |= flat(value, f"{above}{name}.") if isinstance(value, dict) else {f"{above}{name}": value}
    return found


def test_streamlit_knows_every_setting():
    known = config.get_config_options(force_reparse=True)
    assert set(flat(tomllib.loads(SETTINGS.read_text()))) <= set(known)


def test_the_settings_are_safe():
    settings = flat(tomllib.loads(SETTINGS.read_text()))
    assert {name: settings.get(name) for name in SAFE} == SAFE


def test_each_setting_has_its_reason():
    lines = SETTINGS.read_text().partition("[theme]")[0].splitlines()
    after_blank = [i for i, line in enumerate(lines) if "=" in line and not line.startswith(("#", "["))]
    for place in after_blank:
        assert lines[place - 1].startswith("#") or place - 1 in after_blank, lines[place]
