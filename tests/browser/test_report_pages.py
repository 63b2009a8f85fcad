"""The evaluation report of a real run, from the disk: every figure is drawn, and it asks nothing of anybody."""

from __future__ import annotations

from pathlib import Path

from window import Window

WITHOUT_MARKS = """return [...document.querySelectorAll('svg[role=img]')].filter(drawing =>
    drawing.clientWidth == 0 || drawing.querySelectorAll('path, line, rect, image, circle, polyline').length == 0).length"""


def test_every_figure_of_the_report_is_drawn(window: Window, finished: Path) -> None:
    page = finished / "data" / "smoke" / "08_reporting" / "evaluation.html"
    window.hosts()
    window.open(page.as_uri())
    widths = window.run("return [...document.images].map(picture => picture.naturalWidth)")
    assert len(widths) >= 2
    assert min(widths) > 300
    assert window.run("return document.querySelectorAll('svg[role=img]').length") > 0
    assert window.run(WITHOUT_MARKS) == 0
    window.keep("report")
    assert window.hosts() == set()


def test_what_a_page_asks_of_another_machine_would_be_told(window: Window, tmp_path: Path) -> None:
    asking = tmp_path / "asking.html"
    asking.write_text('<img src="http://elsewhere.test/picture.png">')
    window.hosts()
    window.open(asking.as_uri())
    assert window.hosts() == {"elsewhere.test"}
