"""A state is used whole or not at all: whatever happens to the newest file, the run goes on from the one before it."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
import torch

from seizure_pipeline.training.state import Progress, StateError, Trained, load_state, save_state, state_before

RUN = "0123456789abcdef"


def trained(seed: int, width: int = 3) -> Trained:
    """A network with moments, an average and a random state of its own."""
    torch.manual_seed(seed)
    model, average = torch.nn.Linear(width, 2), torch.nn.Linear(width, 2)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
    model(torch.randn(5, width)).sum().backward()
    optimizer.step()
    return Trained(model, optimizer, average)


def contents(each: Trained) -> dict[str, torch.Tensor]:
    assert each.average is not None
    moments = {
        f"{n}.{name}": value for n, values in each.optimizer.state_dict()["state"].items() for name, value in values.items()
    }
    return {**each.model.state_dict(prefix="m."), **each.average.state_dict(prefix="a."), **moments}


def is_equal(mine: Trained, other: Trained) -> bool:
    pairs = contents(mine), contents(other)
    return pairs[0].keys() == pairs[1].keys() and all(torch.equal(pairs[0][name], pairs[1][name]) for name in pairs[0])


@pytest.fixture
def two(tmp_path: Path) -> Path:
    """A run that saved its state at step 1 and at step 2; returns the path of the newer one."""
    path = tmp_path / "state.safetensors"
    for step in (1, 2):
        save_state(path, trained(step), Progress(step=step, best_score=(0.5, 0.25), history=[{"epoch": 1.0}]), RUN)
    return path


def test_all_that_is_saved_comes_back_and_random_numbers_go_on(tmp_path: Path) -> None:
    path, before = tmp_path / "state.safetensors", trained(1)
    save_state(path, before, Progress(step=1), RUN)
    drawn = torch.rand(4)
    after = trained(2)
    assert load_state(path, after, RUN) == Progress(step=1)
    assert torch.equal(torch.rand(4), drawn)
    assert is_equal(after, before)


def test_there_is_always_the_state_before_the_newest(two: Path) -> None:
    assert sorted(path.name for path in two.parent.iterdir()) == ["state.safetensors", "state_before.safetensors"]
    found = trained(9)
    assert load_state(two, found, RUN) == Progress(step=2, best_score=(0.5, 0.25), history=[{"epoch": 1.0}])
    assert is_equal(found, trained(2))


def test_a_kill_between_the_two_renames_costs_one_state(two: Path) -> None:
    two.unlink()
    found = trained(9)
    progress = load_state(two, found, RUN)
    assert progress is not None
    assert progress.step == 1
    assert is_equal(found, trained(1))


def test_no_byte_can_change_and_no_end_be_missing_without_the_state_before_being_used(
    two: Path, caplog: pytest.LogCaptureFixture
) -> None:
    whole, older = two.read_bytes(), state_before(two).read_bytes()
    chance = np.random.default_rng(4)
    header = int.from_bytes(whole[:8], "little")
    places = [*range(8), *chance.integers(8, 8 + header, 120), *chance.integers(8 + header, len(whole), 60)]
    broken = [whole[:place] + bytes([whole[place] ^ (1 << chance.integers(8))]) + whole[place + 1 :] for place in places]
    broken += [whole[: int(size)] for size in chance.integers(0, len(whole), 40)] + [whole + b"\0"]
    used_before = 0
    for content in broken:
        two.write_bytes(content)
        caplog.clear()
        found = trained(9)
        with caplog.at_level(logging.WARNING):
            progress = load_state(two, found, RUN)
        assert progress is not None
        if progress.step == 2:  # blanks of the header, which say nothing
            assert is_equal(found, trained(2))
            continue
        used_before += 1
        assert is_equal(found, trained(1))
        assert f"{two}: " in caplog.text
        assert "the state before it is used, of epoch 1, step 1" in caplog.text
        assert not two.exists()
        save_state(two, trained(3), Progress(step=3), RUN)
        assert state_before(two).read_bytes() == older
    assert used_before > 0.95 * len(broken)


def test_without_a_whole_state_the_run_says_what_to_remove(two: Path) -> None:
    for path in (two, state_before(two)):
        path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(StateError, match=r"state\.safetensors: .*; .*state_before\.safetensors: .*; remove that to start"):
        load_state(two, trained(9), RUN)
    assert two.exists()


def test_a_state_of_another_run_or_network_is_refused(two: Path) -> None:
    with pytest.raises(ValueError, match=f"of run {RUN}, not 2 of f{RUN[1:]}; remove it"):
        load_state(two, trained(9), f"f{RUN[1:]}")
    with pytest.raises(ValueError, match=r"state\.safetensors: weights of another network \(.*size mismatch for weight"):
        load_state(two, trained(9, width=4), RUN)


def test_no_state_is_no_progress(tmp_path: Path) -> None:
    assert load_state(tmp_path / "state.safetensors", trained(1), RUN) is None
