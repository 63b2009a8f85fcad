"""The documents say what the code does: their Python runs, their links lead somewhere, and every room is on the map."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import click
import pytest
import yaml
from test_command_line import REPOSITORY

from seizure_pipeline.cli import cli

DOCS = REPOSITORY / "docs"
PAGES = sorted(DOCS.glob("*.md"))
ROOT_PAGES = [REPOSITORY / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")]
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)#\s]+)[^)]*\)")
ROOM = re.compile(r"^\| `([\w/.]+)` \|", re.MULTILINE)
GIVEN = r"(?:run|score|compare|doctor|generate-corpus|(?:cache|remote) \w)"
COMMAND = re.compile(rf"(?:^|`)(?:\.venv/bin/)?kedro ({GIVEN}[^`\n]*)", re.MULTILINE)
TARGET = re.compile(r"^([a-z-]+):", re.MULTILINE)
BLOCKS = [
    pytest.param(found.group(1), id=f"{page.stem}-{k}")
    for page in PAGES
    for k, found in enumerate(BLOCK.finditer(page.read_text()))
]


@pytest.mark.parametrize("code", BLOCKS)
def test_every_block_of_python_in_the_documents_runs(code: str) -> None:
    exec(compile(code, "docs", "exec"), {"__name__": "docs"})


def test_every_page_of_method_shows_what_it_says_by_a_block_that_runs() -> None:
    method = ("montage", "filters", "cache", "sampling", "model", "post_processing", "scoring", "remote", "data_statement")
    method += ("corpora", "training")
    without = [name for name in method if not BLOCK.search((DOCS / f"{name}.md").read_text())]
    assert not without


@pytest.mark.parametrize("page", [*PAGES, *ROOT_PAGES], ids=lambda page: page.name)
def test_links_between_documents_lead_somewhere(page: Path) -> None:
    targets = [target for target in LINK.findall(page.read_text()) if "://" not in target]
    assert not [target for target in targets if not (page.parent / target).exists()]


@pytest.mark.parametrize("page", [*PAGES, *ROOT_PAGES], ids=lambda page: page.name)
def test_files_that_documents_name_are_there(page: Path) -> None:
    named = re.findall(r"\b((?:tests|benchmarks|conf/base)/[\w/]+\.(?:py|yml))", page.read_text())
    assert not [name for name in named if not (REPOSITORY / name).is_file()]


def test_every_command_that_is_documented_exists_and_every_command_is_documented() -> None:
    page = (DOCS / "commands.md").read_text()
    documented = set(re.findall(r"(?:`kedro|seizure_pipeline) ([a-z][a-z-]*)", page))
    assert set(cli.commands) == documented
    for group in ("cache", "remote"):
        row = re.search(rf"^\| `kedro {group} (.*?) \|", page, re.MULTILINE)
        assert row is not None
        assert set(cli.commands[group].commands) == set(re.findall(r"[a-z]+", row.group(1)))


@pytest.mark.parametrize("page", [*PAGES, *ROOT_PAGES], ids=lambda page: page.name)
def test_commands_that_documents_give_take_these_options_environments_and_pipelines(page: Path) -> None:
    for line in COMMAND.findall(page.read_text()):
        words = shlex.split(line, comments=True)
        group = {"kedro": cli, "cache": cli.commands["cache"], "remote": cli.commands["remote"]}
        level, rest = ("kedro", words) if words[0] not in group else (words[0], words[1:])
        command = group[level].commands[rest[0]]
        context = click.Context(command, info_name=rest[0])
        options, _, _ = command.make_parser(context).parse_args(list(rest[1:]))  # an unknown option raises
        env = options.get("env")
        assert env in (None, "mine", "ENV") or (REPOSITORY / "conf" / str(env)).is_dir(), line
        named = (options.get("pipelines") or "").split(",")
        folder = REPOSITORY / "src" / "seizure_pipeline" / "pipelines"
        assert not [name for name in named if name and not (folder / name).is_dir()], line


def test_every_room_is_on_the_map_and_nothing_else() -> None:
    package = REPOSITORY / "src" / "seizure_pipeline"
    folders = {f"{path.parent.name}/" for path in package.glob("*/__init__.py")}
    modules = {path.name for path in package.glob("*.py")} - {"__init__.py"}
    rooms = ROOM.findall((REPOSITORY / "CONTRIBUTING.md").read_text())
    assert len(rooms) == len(set(rooms))
    assert set(rooms) == folders | modules


def test_every_target_of_make_that_documents_name_is_there() -> None:
    targets = set(TARGET.findall((REPOSITORY / "Makefile").read_text()))
    for page in [*PAGES, *ROOT_PAGES]:
        named = set(re.findall(r"(?:^|`)make ([a-z-]+)", page.read_text(), re.MULTILINE))
        assert named <= targets, page


def test_the_citation_is_of_this_version_and_licence() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    cited = yaml.safe_load((REPOSITORY / "CITATION.cff").read_text())
    assert (cited["version"], cited["license"]) == (project["version"], project["license"])
    assert {"cff-version", "message", "title", "authors"} <= set(cited)
    assert "Apache License" in (REPOSITORY / "LICENSE").read_text()
    assert f"## {project['version']}" in (REPOSITORY / "CHANGELOG.md").read_text()


def test_the_container_is_built_from_the_pins_that_everybody_has() -> None:
    steps = (REPOSITORY / "Containerfile").read_text()
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    assert "RUN make install" in steps
    base = re.search(r"^FROM python:(\d+)\.(\d+)", steps, re.MULTILINE)
    assert base is not None
    assert project["requires-python"] == ">=3.11,<3.14"
    assert (3, 11) <= tuple(int(part) for part in base.groups()) < (3, 14)
    sources = {name for line in re.findall(r"^COPY (.+) \S+$", steps, re.MULTILINE) for name in line.split()}
    assert {"Makefile", "pyproject.toml", "README.md", "LICENSE", ".telemetry", "requirements", "conf", "src"} <= sources
    assert not [name for name in sources if not (REPOSITORY / name).exists()]
    taken = re.findall(r"^!(\S+)$", (REPOSITORY / ".dockerignore").read_text(), re.MULTILINE)
    assert sources <= set(taken)


def test_hooks_before_a_commit_fetch_nothing_and_are_those_of_make_check() -> None:
    hooks = yaml.safe_load((REPOSITORY / ".pre-commit-config.yaml").read_text())["repos"]
    assert [repo["repo"] for repo in hooks] == ["local"]
    assert {hook["language"] for hook in hooks[0]["hooks"]} == {"system", "fail"}
    check = re.search(r"^check:.*?\n((?:\t.*\n)+)", (REPOSITORY / "Makefile").read_text(), re.MULTILINE)
    assert check is not None
    tools = {line.split()[0].removeprefix("$(BIN)/") for line in check.group(1).splitlines()}
    entries = {hook["entry"].split()[0] for hook in hooks[0]["hooks"] if hook["language"] == "system"}
    assert entries == {f".venv/bin/{tool}" for tool in tools}


def test_the_site_builds_without_a_warning_and_asks_no_network(tmp_path: Path) -> None:
    shutil.copytree(DOCS, tmp_path / "docs")
    shutil.copy(REPOSITORY / "mkdocs.yml", tmp_path)
    built = subprocess.run(
        [Path(sys.executable).with_name("mkdocs"), "build", "--quiet"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    pages = sorted((tmp_path / "site").rglob("*.html"))
    assert len(pages) > len(PAGES)
    loaded = re.compile(r"<(?:script|link|img|iframe|source)\b[^>]*(?:src|href)=[\"']?(https?:)?//", re.IGNORECASE)
    assert not [page for page in pages if loaded.search(page.read_text())]
    styles = [
        path
        for path in (tmp_path / "site").rglob("*.css")
        if re.search(r"(@import|url\()\s*[\"']?(https?:)?//", path.read_text())
    ]
    assert not styles
