"""Configuration and pipelines agree on which nodes leave, what they fill and what they take."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
import yaml
from planned_runs import PIPELINES, Planned, configuration
from test_command_line import REPOSITORY

from seizure_pipeline.datasets import FolderDataset
from seizure_pipeline.remote.plan import fitness
from seizure_pipeline.remote.settings import RemoteSettings


@pytest.fixture
def planned(tmp_path: Path) -> Planned:
    return Planned.of(tmp_path)


def test_every_folder_that_a_node_uses_says_who_fills_it(planned: Planned) -> None:
    nodes = {node.name: node for pipeline in PIPELINES.values() for node in pipeline.nodes}
    used = {name for node in nodes.values() for name in node.inputs if not name.startswith("params:")}
    folders = {name for name in used if isinstance(planned.catalog.get(name), FolderDataset)}
    assert folders >= {"window_cache", "models", "traces"}
    for name in folders:
        fillers = planned.catalog.get(name).metadata["filled_by"]
        assert fillers
        assert all(name in nodes[filler].inputs for filler in fillers), name


def test_the_loaders_that_are_counted_are_nodes_and_feed_as_many_threads_as_training_takes() -> None:
    from seizure_pipeline.training.choice import THREADS_FROM_DISK, THREADS_FROM_MEMORY

    assert set(fitness.LOADERS) <= {node.name for pipeline in PIPELINES.values() for node in pipeline.nodes}
    assert {
        "resident": 0,
        "ring": THREADS_FROM_MEMORY,
        "disk": THREADS_FROM_DISK,
        "auto": max(THREADS_FROM_MEMORY, THREADS_FROM_DISK),
    } == fitness.FEEDING_THREADS


def test_the_far_nodes_are_the_agreed_ones() -> None:
    nodes = [node for pipeline in PIPELINES.values() for node in pipeline.nodes]
    assert {node.name for node in nodes if "gpu" in node.tags} == {"train", "compute_traces", "check_kernels"}
    data = {"list_recordings", "list_recordings_now", "cache_recordings", "draw_montages", "list_problems", "copy_files"}
    assert {node.name for node in nodes if "data" in node.tags} == data | {"compute_baselines", "draw_pages", "write_report"}


@pytest.mark.parametrize("env", ["modal", "modal_smoke"])
def test_the_settings_name_nodes_that_exist_and_guess_all_that_leave(env: str) -> None:
    settings = RemoteSettings(**{key: value for key, value in configuration(env)["runner"].items() if key != "type"})
    leaving = {
        node.name for pipeline in PIPELINES.values() for node in pipeline.nodes if settings.resources(node.name, node.tags)
    }
    assert set(settings.expected_hours) == leaving
    assert {*settings.nodes, *settings.kept} <= leaving


def test_modal_smoke_is_modal_but_for_what_makes_it_small() -> None:
    large, small = (yaml.safe_load((REPOSITORY / f"conf/{env}/runner.yml").read_text()) for env in ("modal", "modal_smoke"))
    differs = {key for key in large.keys() | small.keys() if large.get(key) != small.get(key)}
    assert differs == {"far_root", "budget_usd", "expected_hours"}
    assert small["budget_usd"] < large["budget_usd"]
    large, small = (pd.json_normalize(configuration(env)["parameters"]).iloc[0].to_dict() for env in ("modal", "modal_smoke"))
    changed = {key: value for key, value in small.items() if large[key] is not value and large[key] != value}
    assert changed == {"training.epochs": 1, "corpus.max_recordings": 50}
    assert large.keys() == small.keys()
    roots = [configuration(env)["globals"]["data_root"] for env in ("modal", "modal_smoke")]
    assert roots == ["data/modal", "data/modal_smoke"]
