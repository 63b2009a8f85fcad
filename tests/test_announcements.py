"""What long work says and hears: announcements reach every listener, and who is asked to stop loses nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from test_training import Cache, cache, recipe_with, train

from seizure_pipeline import announcements
from seizure_pipeline.announcements import Stopped, announce, ask_to_stop, listen, stop_if_asked
from seizure_pipeline.cache import PreparationSettings, build_cache
from seizure_pipeline.corpora import CorpusSettings, Folder, examine_entries, find_entries
from seizure_pipeline.montage import MontageSettings
from seizure_pipeline.progress import ProgressMeter, follow
from seizure_pipeline.training.run import TrainedDetector

__all__ = ["cache"]
Heard = list[tuple[str, dict[str, Any]]]
RECIPE = recipe_with(epochs=2, batch_size=4)


@pytest.fixture(autouse=True)
def _nobody_listens() -> Iterator[None]:
    yield
    announcements.forget()


@pytest.fixture
def heard() -> Heard:
    """All that is announced."""
    said: Heard = []
    listen(lambda kind, facts: said.append((kind, dict(facts))))
    return said


def test_every_listener_hears_all_and_after_forgetting_none(heard: Heard) -> None:
    twice: Heard = []
    listen(lambda kind, facts: twice.append((kind, dict(facts))))
    announce("checkpoint", path="a", step=1)
    announcements.forget()
    announce("checkpoint", path="b", step=2)
    assert heard == twice == [("checkpoint", {"path": "a", "step": 1})]


def test_the_first_reason_to_stop_stands_until_it_is_forgotten() -> None:
    stop_if_asked()
    ask_to_stop("the budget is spent")
    ask_to_stop("the time is over")
    with pytest.raises(Stopped, match="the budget is spent; the same command continues where it was"):
        stop_if_asked()
    announcements.forget()
    stop_if_asked()


def test_a_meter_announces_every_piece_with_what_it_is(heard: Heard) -> None:
    with ProgressMeter("caching", 5, "recordings", done_before=3) as meter:
        meter.advance(note="a")
        meter.advance(note="b")
    shown = {"title": "caching", "total": 5, "unit": "recordings", "done_before": 3, "later": 0}
    told = [(kind, {name: fact for name, fact in facts.items() if name != "spent_s"}) for kind, facts in heard]
    assert told == [("progress", {**shown, "done": done, "note": note}) for done, note in ((4, "a"), (5, "b"))]
    assert 0 <= heard[0][1]["spent_s"] <= heard[1][1]["spent_s"] < 1


def test_work_that_is_followed_stops_after_the_piece_under_way_is_done() -> None:
    done: list[int] = []
    stop_when(lambda kind, facts: facts["done"] == 4)
    with pytest.raises(Stopped):
        done.extend(follow(range(10), "counting", 10, "numbers"))
    assert done == [0, 1, 2, 3]


def stop_when(is_due: Callable[[str, Mapping[str, Any]], bool]) -> None:
    """Ask this process to stop as soon as something is announced."""
    listen(lambda kind, facts: ask_to_stop("a test") if is_due(kind, facts) else None)


def at_step(epoch: int, step: int) -> Callable[[str, Mapping[str, Any]], bool]:
    title = f"epoch {epoch} of {RECIPE.training.epochs}"
    return lambda kind, facts: kind == "progress" and (facts["title"], facts["done"]) == (title, step)


def in_validation(kind: str, facts: Mapping[str, Any]) -> bool:
    return kind == "progress" and (facts["title"], facts["done"]) == ("validating", RECIPE.training.batch_size)


def at_the_weights(kind: str, facts: Mapping[str, Any]) -> bool:
    return kind == "checkpoint" and Path(facts["path"]).name == "last"


def curves(trained: TrainedDetector) -> list[dict[str, float | None]]:
    return [{name: value for name, value in record.items() if name != "windows_per_s"} for record in trained.history]


@pytest.fixture(scope="module")
def whole(cache: Cache, tmp_path_factory: pytest.TempPathFactory) -> tuple[TrainedDetector, int]:
    """A training that nobody stopped, and its steps in an epoch."""
    steps: list[int] = []
    listen(lambda kind, facts: steps.append(facts["total"]) if facts.get("unit") == "steps" else None)
    trained = train(cache, tmp_path_factory.mktemp("whole"), RECIPE)
    announcements.forget()
    return trained, steps[0]


@pytest.mark.parametrize("where", ["first step", "last step", "validation", "weights"])
def test_a_training_that_was_stopped_anywhere_goes_on_to_the_same_weights_and_curves(
    where: str, whole: tuple[TrainedDetector, int], cache: Cache, tmp_path: Path
) -> None:
    undisturbed, steps = whole
    points = {"first step": at_step(2, 1), "last step": at_step(1, steps)}
    stop_when(points.get(where) or {"validation": in_validation, "weights": at_the_weights}[where])
    with pytest.raises(Stopped):
        train(cache, tmp_path, RECIPE)
    announcements.forget()
    taken: list[int] = []
    listen(lambda kind, facts: taken.append(facts["done"]) if facts.get("unit") == "steps" else None)
    continued = train(cache, tmp_path, RECIPE)
    assert continued.weights_sha256 == undisturbed.weights_sha256
    assert curves(continued) == curves(undisturbed)
    assert len(taken) == {"first step": steps - 1, "last step": steps, "validation": steps, "weights": steps - 1}[where]


def test_every_state_and_every_checkpoint_is_announced_with_its_step(heard: Heard, cache: Cache, tmp_path: Path) -> None:
    trained = train(cache, tmp_path, recipe_with(epochs=1, checkpoint_steps=2))
    told = [
        (Path(facts["path"]).relative_to(tmp_path / trained.run), facts["step"]) for kind, facts in heard if kind != "progress"
    ]
    steps = max(facts["done"] for _, facts in heard if facts.get("unit") == "steps")
    states = [(Path("state.safetensors"), step) for step in range(2, steps, 2)]
    end = [(Path(name), steps) for name in ("state.safetensors", "best", "last")]
    assert told == [*states, *end]


def test_filling_a_cache_stops_between_two_recordings_and_keeps_those_that_are_done(
    small_corpus: Path, tmp_path: Path, chains: list[str]
) -> None:
    corpus = Folder(str(small_corpus))
    rows = examine_entries(corpus, find_entries(corpus, CorpusSettings()), MontageSettings())
    stop_when(lambda kind, facts: facts.get("title") == "caching recordings" and facts["done"] == 3)
    with pytest.raises(Stopped):
        build_cache(corpus, rows, PreparationSettings(workers=1), MontageSettings(), tmp_path)
    announcements.forget()
    before = len(chains)
    index = build_cache(corpus, rows, PreparationSettings(workers=1), MontageSettings(), tmp_path)
    assert 3 <= before < len(rows)
    assert sorted(chains) == sorted(row.recording_id for row in index)
