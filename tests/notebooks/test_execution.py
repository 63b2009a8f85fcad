"""The notebooks, executed on two small runs on a corpus of their own; what they show is kept as HTML to be looked at."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
import yaml
from conftest import REPOSITORY
from jinja2 import DictLoader
from nbclient import NotebookClient
from nbconvert import HTMLExporter
from test_notebooks import NOTEBOOKS, PARAMETER

from seizure_pipeline.cache.parts import write_whole

KEDRO = str(Path(sys.executable).with_name("kedro"))
KEPT = REPOSITORY / "data/08_reporting/notebooks"
SEED = 43
PATIENTS_FOR_AN_INTERVAL = 5
OFFLINE = """{% extends "lab/index.html.j2" %}
{% block html_head_js %}{% endblock %}
{% block html_head_js_mathjax %}{% endblock %}{% block html_head_js_mermaidjs %}{% endblock %}
"""  # nbconvert's own page fetches scripts from the network, for formulas and widgets that no notebook here has
PICTURES = {"look_at_a_corpus": 3, "inside_the_cache_and_the_model": 4, "compare_two_runs": 1}


@pytest.fixture(scope="session")
def two_runs(project: Path) -> Path:
    """A project whose environment `smoke` has five patients in dev, a recording without annotation, and two runs."""
    shutil.copytree(REPOSITORY / "notebooks", project / "notebooks")
    conf = project / "conf/smoke/parameters.yml"
    settings = yaml.safe_load(conf.read_text())
    settings["synthetic"]["dev_patients"] = PATIENTS_FOR_AN_INTERVAL
    conf.write_text(yaml.safe_dump(settings))
    kedro(project, "generate-corpus")
    min((project / "data/01_raw/smoke/edf/train").rglob("*.csv_bi")).unlink()
    kedro(project, "run")
    kedro(project, "run", "--params", f"training.seed={SEED}")
    return project


def kedro(project: Path, command: str, *arguments: str) -> None:
    done = subprocess.run(
        [KEDRO, command, "--env", "smoke", *arguments], cwd=project, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-4000:]


def executed(path: Path, project: Path) -> Any:
    """The notebook after a run of all cells in `project`, in environment `smoke`; a cell that fails raises."""
    notebook = nbformat.read(path, as_version=4)
    parameter = next(cell for cell in notebook.cells if cell.cell_type == "code")
    assert PARAMETER in parameter.source
    parameter.source = parameter.source.replace(PARAMETER, 'ENV = "smoke"')
    return NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(project / "notebooks")}}).execute()


def outputs(notebook: Any) -> Iterator[Any]:
    for cell in notebook.cells:
        yield from cell.get("outputs", [])


def as_page(notebook: Any, title: str) -> str:
    """The executed notebook as HTML that asks no network for anything."""
    exporter = HTMLExporter(extra_loaders=[DictLoader({"offline.html.j2": OFFLINE})], template_file="offline.html.j2")
    page, _ = exporter.from_notebook_node(notebook, resources={"metadata": {"name": title}})
    return str(page)


@pytest.fixture(scope="session")
def shown(two_runs: Path) -> dict[str, Any]:
    """Every notebook by its name, executed; kept as HTML whatever it shows."""
    found = {}
    KEPT.mkdir(parents=True, exist_ok=True)
    for path in NOTEBOOKS:
        found[path.stem] = executed(path, two_runs)
        write_whole(KEPT / f"{path.stem}.html", as_page(found[path.stem], path.stem).encode())
    return found


@pytest.mark.parametrize("name", PICTURES)
def test_a_notebook_runs_to_its_end_without_a_warning_and_draws_its_pictures(name: str, shown: dict[str, Any]) -> None:
    told = [output.text for output in outputs(shown[name]) if output.output_type == "stream" and output.name == "stderr"]
    assert told == []
    pictures = [output for output in outputs(shown[name]) if "image/png" in output.get("data", {})]
    assert len(pictures) == PICTURES[name]


def test_every_notebook_is_executed(shown: dict[str, Any]) -> None:
    assert shown.keys() == PICTURES.keys()


def test_the_pages_that_are_kept_fetch_nothing(shown: dict[str, Any]) -> None:
    pages = {name: (KEPT / f"{name}.html").read_text() for name in shown}
    assert [name for name, page in pages.items() if re.search(r"(src|import)\W{1,3}https?:|cdnjs", page)] == []


def tables(notebook: Any) -> str:
    return "".join(output.data["text/html"] for output in outputs(notebook) if "text/html" in output.get("data", {}))


def test_the_corpus_notebook_names_the_refused_recording_and_its_reason(shown: dict[str, Any]) -> None:
    assert ".edf: no annotation file beside it" in tables(shown["look_at_a_corpus"])


def test_the_comparison_tells_the_one_parameter_that_differs_and_an_interval(shown: dict[str, Any], two_runs: Path) -> None:
    html = tables(shown["compare_two_runs"])
    assert "<th>training.seed</th>\n      <td>42</td>\n      <td>43</td>" in html
    assert html.count("<th>training.") == 1
