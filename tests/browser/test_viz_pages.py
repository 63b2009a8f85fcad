"""kedro-viz as `make viz` serves it: every pipeline is drawn whole, tables and figures have previews."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
import yaml
from window import Window

FONT = "fonts.googleapis.com"  # kedro-viz's page names a web font, and nothing switches it off
PANEL = ".pipeline-metadata"
DISMISS = """for (const each of document.querySelectorAll('.feature-hints__close')) each.click();
             for (const each of document.querySelectorAll('button')) if (each.innerText == 'Dismiss') each.click()"""
OPEN_LIST = "for (const each of document.querySelectorAll('button.dropdown__label')) if (each.innerText) each.click()"
OFFERED = """return [...document.querySelectorAll('.pipeline-list .menu-option')].map(option => option.textContent.trim())"""
CHOOSE = """[...document.querySelectorAll('.pipeline-list .menu-option')]
            .find(option => option.textContent.trim() == arguments[0]).click()"""
DRAWN = "return [...document.querySelectorAll('g.pipeline-node text')].map(node => node.textContent).sort()"
ROW = "document.querySelector(`[data-test='node-list-tree-item--row--${arguments[0]}']`)"


def answer(url: str) -> Any:
    with urlopen(url, timeout=60) as response:
        return json.load(response)


@pytest.fixture
def flowchart(window: Window, viz: str) -> Window:
    window.errors()  # of the pages before: MLflow's has some
    window.open(f"{viz}?pid=__default__")  # it remembers what was chosen last
    window.until(DRAWN)
    window.run(DISMISS)
    return window


def test_every_pipeline_can_be_chosen_and_draws_each_of_its_nodes(flowchart: Window, viz: str) -> None:
    pipelines = [each["id"] for each in answer(f"{viz}api/main")["pipelines"]]
    flowchart.run(OPEN_LIST)
    assert flowchart.until(OFFERED) == pipelines
    for number, name in enumerate(pipelines):
        if number:
            flowchart.run(OPEN_LIST)
        flowchart.until(OFFERED)
        flowchart.run(CHOOSE, name)
        nodes = answer(f"{viz}api/pipelines/{name}")["nodes"]
        expected = sorted(node["name"] for node in nodes if node["type"] != "parameters")
        assert expected
        flowchart.until(
            f"return JSON.stringify((() => {{{DRAWN}}})()) == arguments[0]", json.dumps(expected, separators=(",", ":"))
        )
        flowchart.keep(f"viz_{name}")


@pytest.mark.parametrize(
    ("dataset", "seen"),
    [
        ("comparison", "[...document.querySelectorAll('.pipeline-metadata table tr')].length > 5"),
        ("window_index", "[...document.querySelectorAll('.pipeline-metadata table tr')].length > 5"),
        ("history_picture", "document.querySelector('.pipeline-metadata img')?.naturalWidth > 300"),
        ("montage_pages", "document.querySelector('.pipeline-metadata img')?.naturalWidth > 300"),
        ("operating_curve_plot", "document.querySelectorAll('.pipeline-metadata .js-plotly-plot .trace').length > 5"),
        ("metrics", "document.querySelector('.pipeline-metadata').innerText.includes('sensitivity_at_10fa')"),
        ("evaluation_report", "document.querySelectorAll('.pipeline-metadata img').length > 0"),
        ("window_cache", "document.querySelector('.pipeline-metadata').innerText.includes(' MB')"),
    ],
)
def test_the_panel_of_a_dataset_shows_what_is_in_it(flowchart: Window, dataset: str, seen: str) -> None:
    flowchart.until(f"return !!{ROW}", dataset)
    flowchart.run(f"{ROW}.click()", dataset)
    flowchart.until(f"return !!document.querySelector('{PANEL}') && {seen}")
    flowchart.keep(f"viz_preview_{dataset}")


def test_every_dataset_but_pictures_shows_its_description(finished: Path, viz: str) -> None:
    catalog = yaml.safe_load((finished / "conf" / "base" / "catalog.yml").read_text())
    shown = 0
    for pipeline in answer(f"{viz}api/main")["pipelines"]:
        for node in answer(f"{viz}api/pipelines/{pipeline['id']}")["nodes"]:
            if node["type"] == "data" and catalog[node["name"]]["type"].startswith("seizure_pipeline."):
                panel = answer(f"{viz}api/nodes/{node['id']}")
                if panel.get("preview_type") != "ImagePreview":
                    words = catalog[node["name"]]["metadata"]["description"].split()
                    assert words[0] in panel["preview"]
                    assert words[-1] in panel["preview"]
                    shown += 1
    assert shown > 40


def test_no_error_is_logged_and_nothing_but_the_font_is_asked_of_another_machine(flowchart: Window) -> None:
    assert [each for each in flowchart.errors() if FONT not in each] == []
    assert flowchart.hosts() == {"127.0.0.1", FONT}
