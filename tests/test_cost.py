"""What a far node is expected to cost, against the provider's printed prices, and how many attempts it takes."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf
from typing import Any

import pytest
from folder_backend import FolderBackend

from seizure_pipeline.remote.backend import RemoteError
from seizure_pipeline.remote.cost import attempts_allowed, attempts_needed, estimate, rates_of, usd_per_hour
from seizure_pipeline.remote.records import Request
from seizure_pipeline.remote.settings import Rates, RemoteSettings, Resources

PRICES = Rates(as_of="2026-07", gpu={"A100-80GB": 2.50, "H100": 3.95}, core=0.047, memory_gib=0.008)
TRAINING = Resources(gpu=("A100-80GB",), cpu=24, memory_mib=96 * 1024)


@dataclass(frozen=True)
class Ended:
    """A line of the journal."""

    call: str
    hours: float
    node: str = "train"
    env: str | None = "modal"
    status: str = "finished"
    params: dict[str, Any] = field(default_factory=dict)
    inputs: str = "as ever"
    gpu: tuple[str, ...] | None = ("A100-80GB",)

    @property
    def request(self) -> Request:
        texts = dict.fromkeys(("run_id", "far_root", "code", "python"), "")
        return Request(call=self.call, node=self.node, env=self.env, pipelines=(), params=self.params, gpu=self.gpu, **texts)


def settings(**given: Any) -> RemoteSettings:
    return RemoteSettings(backend="modal", far_root="/data/run", tags={}, **given)


def test_an_a100_with_24_cores_and_96_gib_costs_what_the_price_page_says() -> None:
    assert usd_per_hour(TRAINING, PRICES) == pytest.approx(4.40, abs=0.005)


def test_of_several_gpus_the_dearest_counts_and_as_often_as_there_are() -> None:
    either = TRAINING.model_copy(update={"gpu": ("A100-80GB", "H100")})
    assert usd_per_hour(either, PRICES) - usd_per_hour(TRAINING, PRICES) == pytest.approx(3.95 - 2.50)
    two = TRAINING.model_copy(update={"gpu_count": 2})
    assert usd_per_hour(two, PRICES) - usd_per_hour(TRAINING, PRICES) == pytest.approx(2.50)


def test_a_gpu_without_a_price_is_named() -> None:
    with pytest.raises(ValueError, match=r"no price of B200 as of 2026-07; add it to rates\.gpu"):
        usd_per_hour(TRAINING.model_copy(update={"gpu": ("B200",)}), PRICES)


def test_measured_hours_go_before_a_guess_and_a_guess_before_nothing() -> None:
    guess = settings(expected_hours={"train": 10.0})
    finished = [Ended("a", 3.0), Ended("b", 5.0), Ended("c", 9.0, status="stopped"), Ended("d", 9.0, env="modal_smoke")]
    measured = estimate("train", "modal", {}, TRAINING, guess, PRICES, finished)
    assert measured is not None
    assert (measured.hours, measured.source) == (5.0, "measured in call b")
    assert measured.usd == pytest.approx(5 * 4.396)
    guessed = estimate("train", "modal", {}, TRAINING, guess, PRICES, finished[2:])
    assert guessed is not None
    assert (guessed.hours, guessed.source) == (10.0, "guess in runner.yml")
    assert estimate("train", "modal", {}, TRAINING, settings(), PRICES, []) is None


def test_a_call_of_the_same_parameters_tells_more_than_a_longer_one_of_others() -> None:
    finished = [Ended("one_epoch", 0.5, params={"training.epochs": 1}), Ended("all", 20.0)]
    found = estimate("train", "modal", {"training.epochs": 1}, TRAINING, settings(), PRICES, finished)
    assert found is not None
    assert found.source == "measured in call one_epoch"
    other = estimate("train", "modal", {"training.epochs": 2}, TRAINING, settings(), PRICES, finished)
    assert other is not None
    assert (other.hours, other.source) == (20.0, "measured in call all, of other parameters")
    guess = settings(expected_hours={"train": 1.0})
    guessed = estimate("train", "modal", {"training.epochs": 2}, TRAINING, guess, PRICES, finished)
    assert guessed is not None
    assert (guessed.hours, guessed.source) == (1.0, "guess in runner.yml, made without these parameters")


def test_a_call_that_learned_otherwise_or_elsewhere_did_the_same_work() -> None:
    before = {"training": {"epochs": 1, "optimizer": {"learning_rate": 1.0}}, "results": "a", "mlflow_parent": "x"}
    now = {"training": {"epochs": 1, "loss": {"kind": "focal"}}, "training.seed": 2, "results": "b"}
    found = estimate("train", "modal", now, TRAINING, settings(), PRICES, [Ended("a", 0.5, params=before), Ended("b", 9.0)])
    assert found is not None
    assert (found.hours, found.source) == (0.5, "measured in call a")


def measured(finished: list[Ended]) -> tuple[float, str] | None:
    found = estimate("train", "modal", {}, TRAINING, settings(expected_hours={"train": 170.0}), PRICES, finished)
    return found and (found.hours, found.source)


def test_work_that_was_stopped_and_continued_took_all_its_hours() -> None:
    work = [Ended("a", 150.0, status="stopped"), Ended("b", 9.0, inputs="other", status="stopped"), Ended("c", 0.5)]
    assert measured(work) == (150.5, "measured in call c and 1 before it")
    assert measured([*work, Ended("d", 0.1)]) == (150.5, "measured in call c and 1 before it")
    assert measured([*work, Ended("d", 7.0, status="stopped")]) == (150.5, "measured in call c and 1 before it")
    assert measured(work[:2]) == (170.0, "guess in runner.yml")


@pytest.mark.parametrize("gpu", [("H100",), ("A100-80GB", "H100"), (), None])
def test_hours_on_another_gpu_say_nothing(gpu: tuple[str, ...] | None) -> None:
    guess = (170.0, "guess in runner.yml")
    assert measured([Ended("a", 3.0, gpu=gpu)]) == guess
    assert measured([Ended("a", 3.0, status="stopped", gpu=gpu), Ended("b", 3.0)]) == guess


class Telling(FolderBackend):
    """A place that tells its prices."""

    def __init__(self, told: Rates | None) -> None:
        super().__init__()
        self.told = told

    def rates(self) -> Rates | None:
        if self.told is None:
            raise RemoteError("no token")
        return self.told


def test_the_table_has_the_prices_that_the_provider_does_not_tell() -> None:
    now = Rates(as_of="2026-11-23", gpu={"A100-80GB": 3.00, "B200": 6.25}, core=0.05, memory_gib=0.01)
    merged = rates_of(Telling(now), settings(rates=PRICES))
    assert merged is not None
    assert merged.gpu == {"A100-80GB": 3.00, "B200": 6.25, "H100": 3.95}
    assert (merged.core, merged.memory_gib, merged.as_of) == (0.05, 0.01, "2026-11-23; H100: 2026-07")
    assert rates_of(Telling(None), settings(rates=PRICES)) == PRICES
    assert rates_of(Telling(now), settings()) == now


def test_hours_without_prices_are_an_estimate_without_a_price() -> None:
    found = estimate("train", "modal", {}, TRAINING, settings(expected_hours={"train": 1.0}), None, [])
    assert found is not None
    assert (found.hours, found.usd) == (1.0, None)


@pytest.mark.parametrize(("hours", "attempts"), [(0.1, 1), (23.5, 1), (24, 2), (47, 2), (100, 5)])
def test_each_attempt_of_24_h_loses_some_of_it(hours: float, attempts: int) -> None:
    assert attempts_needed(hours, TRAINING) == attempts


def test_an_attempt_that_is_all_start_up_never_gets_anywhere() -> None:
    assert attempts_needed(1, TRAINING.model_copy(update={"timeout_s": 600})) == inf
    assert attempts_allowed(TRAINING) == 1
