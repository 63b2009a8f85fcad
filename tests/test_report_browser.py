"""The report in a real browser, from the disk: every figure is there, and nothing is asked of any network.

Screenshots of each part stay in the folder of the test (pytest --basetemp=DIR to choose where).
"""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from made_evaluation import cached, page, source, traces_of
from PIL import Image

CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Debian's chromium is not on this machine; it opens the report")
QUIET = ("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run", "--disable-sync")
ALONE = ("--disable-background-networking", "--disable-component-update", "--host-resolver-rules=MAP * ~NOTFOUND")
PARTS = ("headline", "curve", "reliability", "patients", "timelines", "false-alarms", "misses", "latency")
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
SIZES = """<script>onload = () => { document.title = JSON.stringify({
  pictures: [...document.images].map(p => [p.naturalWidth, p.naturalHeight, p.clientWidth]),
  drawings: [...document.querySelectorAll('svg[role=img]')].map(d => [d.clientWidth, d.clientHeight]),
  eeg: [...document.querySelectorAll('svg image')].map(i => i.getBoundingClientRect().width),
  widest: document.documentElement.scrollWidth}) }</script>"""


def opened(page: Path, *options: str, profile: Path) -> str:
    """What the browser prints of a page."""
    command = [str(CHROMIUM), *QUIET, *ALONE, f"--user-data-dir={profile}", "--window-size=1240,2400", *options, page.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    return done.stdout


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("browser")
    rows = cached(root)
    path = root / "evaluation.html"
    path.write_text(page(source(root, rows, traces_of(rows))), encoding="utf-8")
    return path


def requested(page: Path, folder: Path) -> set[str]:
    """Every URL beyond the disk that a page asked for; what the browser asks for on its own has no origin."""
    log = folder / f"{page.stem}.net.json"
    opened(page, f"--log-net-log={log}", "--dump-dom", profile=folder / "profile")
    events = [event.get("params", {}) for event in json.loads(log.read_text())["events"]]
    asked = {event["url"] for event in events if event.get("initiator", "not an origin") != "not an origin"}
    return {url for url in asked if not url.startswith(("file:", "data:"))}


def test_opened_from_the_disk_it_asks_for_nothing(report: Path, tmp_path: Path) -> None:
    asking = tmp_path / "asking.html"
    asking.write_text(
        report.read_text().replace(POLICY, "img-src *").replace("<h1>", '<img src="http://elsewhere.test/x"><h1>')
    )
    assert requested(asking, tmp_path) == {"http://elsewhere.test/x"}  # so the log would tell
    assert requested(report, tmp_path) == set()


def test_every_figure_has_a_size_and_the_page_fits_the_window(report: Path, tmp_path: Path) -> None:
    measured = tmp_path / "measured.html"
    html = report.read_text().replace(POLICY, f"{POLICY}; script-src 'unsafe-inline'")
    measured.write_text(html.replace("</body>", f"{SIZES}</body>"))
    shown = opened(measured, "--dump-dom", profile=tmp_path / "profile")
    sizes = json.loads(shown.split("<title>")[1].split("</title>")[0])
    assert len(sizes["pictures"]) == 4
    assert len(sizes["drawings"]) == 7 + 1 + 1 + 2
    assert len(sizes["eeg"]) == 3
    assert min(value for kind in ("pictures", "drawings") for size in sizes[kind] for value in size) > 0
    assert min(sizes["eeg"]) > 500
    assert sizes["widest"] <= 1240


@pytest.mark.parametrize("name", PARTS)
def test_each_part_is_drawn(report: Path, tmp_path: Path, name: str) -> None:
    alone = tmp_path / f"{name}.html"
    style = f"<style>section,h1,nav,body>p{{display:none}} #dev,#dev-{name}{{display:block}}</style></head>"
    alone.write_text(report.read_text().replace("</head>", style))
    picture = tmp_path / f"{name}.png"
    opened(alone, f"--screenshot={picture}", profile=tmp_path / "profile")
    ink = np.asarray(Image.open(picture).convert("L")) < 200
    assert ink.mean() > 0.002
    assert np.flatnonzero(ink.any(axis=1))[-1] > 300
