"""What can be said of the notebooks without running them; tests/notebooks runs them."""

from __future__ import annotations

import ast
import json
import re
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from conftest import REPOSITORY

NOTEBOOKS = sorted((REPOSITORY / "notebooks").glob("*.ipynb"))
PARAMETER = 'ENV = "base"'
STATEMENTS = (ast.Import, ast.ImportFrom, ast.Assign, ast.Expr, ast.With)
each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=[path.stem for path in NOTEBOOKS])


def cells(path: Path, kind: str) -> list[dict[str, Any]]:
    return [cell for cell in json.loads(path.read_text())["cells"] if cell["cell_type"] == kind]


def statements(path: Path) -> list[ast.stmt]:
    """The Python of all code cells, without IPython's own lines."""
    lines = [line for cell in cells(path, "code") for line in [*cell["source"], "\n"] if not line.startswith("%")]
    return ast.parse("".join(lines)).body


def test_there_are_notebooks() -> None:
    assert len(NOTEBOOKS) == 3


@each_notebook
def test_a_notebook_carries_neither_outputs_nor_traces_of_a_run(path: Path) -> None:
    for cell in cells(path, "code"):
        assert (cell["outputs"], cell["execution_count"], cell["metadata"]) == ([], None, {})
    kernel = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
    assert json.loads(path.read_text())["metadata"] == {"kernelspec": kernel, "language_info": {"name": "python"}}


@each_notebook
def test_a_notebook_holds_no_logic(path: Path) -> None:
    assert [ast.unparse(each) for each in statements(path) if not isinstance(each, STATEMENTS)] == []
    longest = max(len(cell["source"]) for cell in cells(path, "code"))
    assert longest <= 25


@each_notebook
def test_everything_a_notebook_imports_is_there(path: Path) -> None:
    found = [each for each in statements(path) if isinstance(each, ast.ImportFrom)]
    missing = [
        f"{each.module}.{name.name}"
        for each in found
        for name in each.names
        if not hasattr(import_module(str(each.module)), name.name)
    ]
    assert found
    assert missing == []


@each_notebook
def test_a_notebook_begins_with_its_title_and_its_one_parameter(path: Path) -> None:
    assert cells(path, "markdown")[0]["source"][0].startswith("# ")
    assert cells(path, "code")[0]["source"][0].startswith(PARAMETER)


@each_notebook
def test_a_notebook_names_only_notebooks_that_exist(path: Path) -> None:
    named = re.findall(r"\w+\.ipynb", path.read_text())
    assert set(named) <= {each.name for each in NOTEBOOKS}
