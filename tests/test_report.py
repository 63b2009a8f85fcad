"""The report's page: what it says, whom it protects, and that it needs nothing but itself."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from made_evaluation import BOOTSTRAP, IN_THE_PATIENT_FIELD, POST_PROCESSING, THRESHOLD, cached, page, source, traces_of

from seizure_pipeline.cache import IndexRow
from seizure_pipeline.datasets import PageDataset
from seizure_pipeline.inference.scored import trace_of
from seizure_pipeline.report.split import FALSE_ALARMS_SHOWN
from seizure_pipeline.scoring import detected, score
from seizure_pipeline.scoring.bootstrap import uncertainties
from seizure_pipeline.scoring.evidence import FrozenThreshold, gather_evidence
from seizure_pipeline.scoring.published import TUSZ_EVAL

PARTS = ("headline", "curve", "reliability", "patients", "timelines", "false-alarms", "misses", "latency")
EVIL = "<script>alert('1')</script>\"&_x_"


class Elements(HTMLParser):
    """Every element of a page with its attributes, and the text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, {name: value or "" for name, value in attributes}))

    def handle_data(self, data: str) -> None:
        self.text += data

    def named(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.found if name == tag]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("report")


@pytest.fixture(scope="module")
def rows(root: Path) -> list[IndexRow]:
    return cached(root)


@pytest.fixture(scope="module")
def html(root: Path, rows: list[IndexRow]) -> str:
    dev = source(root, rows, traces_of(rows))
    held_out = [replace(row, split="eval", recording_id=f"held_{row.recording_id}") for row in rows]
    return page(source(root, held_out, traces_of(held_out), "eval"), dev)


def part(html: str, name: str) -> str:
    """A section of the page, by its id, up to the next one."""
    return html.split(f'<section id="{name}"')[1].split("<section id=", maxsplit=1)[0]


def test_each_split_has_all_parts_and_the_table_of_contents_leads_to_them(html: str) -> None:
    wanted = {f"{split}-{name}" for split in ("dev", "eval") for name in PARTS}
    elements = Elements(html)
    ids = {attributes["id"] for attributes in elements.named("section")}
    links = {attributes["href"].removeprefix("#") for attributes in elements.named("a")}
    assert wanted <= ids
    assert links == {*wanted, "origin"}


def test_every_figure_is_told_in_words(html: str) -> None:
    elements = Elements(html)
    pictures = elements.named("img")
    drawings = [drawn for drawn in elements.named("svg") if "aria-hidden" not in drawn]
    assert len(pictures) == 2 * 4
    assert len(drawings) == 2 * (7 + 1 + 1 + 2)  # timelines and their key, a false alarm, two misses
    assert all(len(drawn["alt"]) > 20 and drawn["src"].startswith("data:image/svg+xml;base64,") for drawn in pictures)
    assert all(len(drawn["aria-label"]) > 20 and drawn["role"] == "img" for drawn in drawings)


def test_the_page_runs_nothing_and_names_nothing_to_fetch(html: str) -> None:
    elements = Elements(html)
    assert not {"script", "link", "iframe", "object", "embed", "base", "form"} & {tag for tag, _ in elements.found}
    policy = next(meta for meta in elements.named("meta") if meta.get("http-equiv") == "Content-Security-Policy")
    assert policy["content"] == "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    named = [value for _, attributes in elements.found for key, value in attributes.items() if key in ("src", "href")]
    assert all(value.startswith(("data:image/", "#")) for value in named)
    assert set(re.findall(r"url\(([^)]*)\)", html)) == {"#hatch"}
    assert not [key for _, attributes in elements.found for key in attributes if key.startswith("on")]


def test_what_a_corpus_calls_its_recordings_stays_text(root: Path, rows: list[IndexRow]) -> None:
    evil = [replace(row, recording_id=f"{row.recording_id}{EVIL}", patient_id=f"{row.patient_id}{EVIL}") for row in rows]
    elements = Elements(page(source(root, evil, traces_of(evil))))
    assert not elements.named("script")
    assert f"Patient p0{EVIL}" in elements.text
    assert any(EVIL in drawn["aria-label"] for drawn in elements.named("svg") if "aria-label" in drawn)


def test_nothing_of_the_patient_field_reaches_the_page(html: str) -> None:
    for word in IN_THE_PATIENT_FIELD.replace("_", " ").split():
        assert len(word) == 1 or word not in html


@pytest.mark.parametrize("rule", ["ovlp", "taes", "epoch", "dpalign", "szcore_event", "szcore_sample"])
def test_each_rule_has_a_table_of_its_own_with_the_figures_of_score(html: str, rows: list[IndexRow], rule: str) -> None:
    titles = {"ovlp": "OVLP: ", "taes": "TAES: ", "epoch": "EPOCH: ", "dpalign": "DPALIGN: "}
    titles |= {"szcore_event": "SzCORE events", "szcore_sample": "SzCORE samples"}
    block = part(html, "dev-headline").split(f"<h4>{titles[rule]}")[1].split("<h4>")[0].split("</table>")[0]
    found = score(detected(traces_of(rows), THRESHOLD, POST_PROCESSING), rule)
    model = block.split('scope="row">model</th>')[1].split("</tr>")[0]
    assert f"{100 * found.sensitivity:.1f} %" in model
    assert f"{found.tp:,.10g} of {found.tp + found.fn:,.10g}" in model
    assert f"<small>{found.fp:,.10g} in {found.hours:.2f} h</small>" in model


def test_the_headline_has_the_intervals_of_the_metrics(html: str, rows: list[IndexRow]) -> None:
    evidence = gather_evidence(traces_of(rows), POST_PROCESSING, FrozenThreshold(THRESHOLD))
    known = uncertainties(evidence, BOOTSTRAP)["frozen_sensitivity"]
    assert known.low is not None
    assert f"<small>{100 * known.low:.1f} to {100 * known.high:.1f} %</small>" in part(html, "dev-headline")


def test_a_split_that_something_was_chosen_on_says_so(html: str, root: Path, rows: list[IndexRow]) -> None:
    assert "Epoch and threshold were chosen on these very recordings" in html.split('<section id="dev">')[1]
    assert "Nothing was chosen on these recordings" in part(html, "eval")
    assert "There is no held-out split" in page(source(root, rows, traces_of(rows)))
    assert "There is no held-out split" not in html


def test_published_results_of_another_corpus_are_not_marked_and_it_says_why(html: str) -> None:
    words = Elements(part(html, "eval-curve")).text
    assert "No published results are marked: they are of TUSZ v2.0.3, split eval, this is split eval of a corpus" in words


def test_published_results_of_the_same_recordings_are_marked_with_their_source(
    root: Path, rows: list[IndexRow], monkeypatch: pytest.MonkeyPatch
) -> None:
    hours = sum(row.layout.duration_s for row in rows) / 3600
    same = replace(TUSZ_EVAL, split="dev", recordings=len(rows), hours=hours, seizures=7)
    monkeypatch.setattr("seizure_pipeline.report.split.TUSZ_EVAL", same)
    curve = part(page(source(root, rows, traces_of(rows), layout="tusz")), "dev-curve")
    assert "of the same recordings by the same rule: SeizureTransformer (Wu et al. 2025, arXiv:2504.00336)" in curve
    assert "3 published results of others are marked" in curve
    other = part(page(source(root, rows, traces_of(rows), layout="bids")), "dev-curve")
    assert "published results of others are marked" not in other


def test_all_misses_are_drawn_and_of_false_alarms_as_many_as_is_said(root: Path, rows: list[IndexRow]) -> None:
    many = [replace(rows[-1], recording_id=f"r{n:02}") for n in range(24)]
    traces = []
    for n, row in enumerate(many):
        probability_L = np.full(row.layout.tokens, 0.1, np.float32)
        probability_L[400 : 400 + 50 + n] = 0.9 if n < FALSE_ALARMS_SHOWN + 3 else 0.1
        traces.append(trace_of(row, probability_L))
    html = page(source(root, many, traces))
    misses, alarms = part(html, "dev-misses"), part(html, "dev-false-alarms")
    assert "All 24, the longest first" in misses
    assert misses.count("<svg") == misses.count('<th scope="row">r') == 24
    assert "The worst 10 of 13, by mean probability times duration" in alarms
    assert re.findall(r"False alarm in (r\d\d)", alarms)[::2] == [f"r{n:02}" for n in range(12, 2, -1)]


def test_without_a_threshold_nothing_is_detected_and_the_page_says_so(root: Path, rows: list[IndexRow]) -> None:
    made = source(root, rows, traces_of(rows))
    html = page(replace(made, model=replace(made.model, threshold=None)))
    assert "no threshold met 10 false alarms per 24 h on split dev, so nothing is detected" in html
    assert "There is no false alarm." in part(html, "dev-false-alarms")
    assert "No seizure was found, so there is no latency." in part(html, "dev-latency")


def test_a_split_without_a_seizure_is_shown_for_its_false_alarms(root: Path, rows: list[IndexRow]) -> None:
    row = replace(rows[0], seizures=(), split="eval")
    silent = [trace_of(row, np.full(row.layout.tokens, 0.1, np.float32))]
    html = page(source(root, [row], silent, "eval"), source(root, rows, traces_of(rows)))
    assert "There is no seizure in this split: sensitivity" in part(html, "eval-headline")
    assert 'id="eval-curve"' not in html


def test_the_page_is_kept_whole_and_previewed_without_what_reads_as_markdown(html: str, tmp_path: Path) -> None:
    dataset = PageDataset(filepath=str(tmp_path / "deep" / "evaluation.html"))
    assert not dataset.exists()
    dataset.save(html)
    assert dataset.load() == html
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["evaluation.html"]
    preview = dataset.preview()
    assert "_" not in preview
    assert "\n" not in preview
    assert not re.search(r"[^>]<small>", preview)  # without styles "8" and "8 in 0.2 h" would read as 88
    assert "Split eval: 7 seizures" in preview
    assert preview.count("<img ") == 1


def test_the_same_evaluation_gives_the_same_page(html: str, root: Path, rows: list[IndexRow]) -> None:
    held_out = [replace(row, split="eval", recording_id=f"held_{row.recording_id}") for row in rows]
    again = page(source(root, held_out, traces_of(held_out), "eval"), source(root, rows, traces_of(rows)))
    assert again == html


def test_what_the_page_is_filled_into_travels_with_the_code() -> None:
    from seizure_pipeline.remote.modal.image import travelling

    names = {file.name for file in travelling(Path(__file__).resolve().parents[1]) if file.parent.name == "templates"}
    assert names == {"macros.html", "report.html", "style.css"}
