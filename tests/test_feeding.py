"""Feeding: the same windows in the same order, bit for bit, wherever they come from and wherever a run takes them up."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from seizure_pipeline.cache import CachedSignal
from seizure_pipeline.training.batches import Batch, LabelledWindows, WindowSource
from seizure_pipeline.training.choice import choose
from seizure_pipeline.training.division import Share, divide
from seizure_pipeline.training.settings import FeedingSettings
from seizure_pipeline.training.stored import FileSignals, MappedSignals, StoredSignal
from seizure_pipeline.training.table import count_ictal, kinds_of, lay_labels, lay_table, rotate_labels
from seizure_pipeline.windows import Kind, Layout, WindowSettings, kind_of, lay_windows, token_labels

SETTINGS = WindowSettings(window_s=2, stride_s=0.75)
LAYOUTS = [
    Layout((2048, 700, 1111), (0.0, 10.0, 20.0)),  # a stretch between others that is shorter than a window
    Layout((3000,), (0.0,)),
    Layout((100,), (0.0,)),  # nothing but padding behind it, at the end of all signals
]
SEIZURES: list[tuple[tuple[float, float], ...]] = [((3.0, 5.5), (9.0, 9.5)), (), ((0.1, 0.2),)]
KINDS = ("resident", "ring", "disk")
HEADER_BYTES = 128
needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
layouts = st.lists(st.lists(st.integers(1, 3000), min_size=1, max_size=4), min_size=1, max_size=5)
Signals = list[np.ndarray[tuple[int, int], np.dtype[np.int16]]]


def layout_of(samples: list[int]) -> Layout:
    return Layout(tuple(samples), tuple(100.0 * number for number in range(len(samples))))


@pytest.fixture(scope="module")
def signals() -> Signals:
    generator = np.random.default_rng(0)
    shapes = [(19, sum(layout.stretch_samples)) for layout in LAYOUTS]
    return [generator.integers(-32767, 32768, shape, dtype=np.int16) for shape in shapes]


@pytest.fixture(scope="module")
def stored(signals: Signals, tmp_path_factory: pytest.TempPathFactory) -> list[StoredSignal]:
    folder = tmp_path_factory.mktemp("stored")
    return [keep(folder / f"{number}", signal, 0.001 / (number + 1)) for number, signal in enumerate(signals)]


def keep(path: Path, signal: np.ndarray[tuple[int, int], np.dtype[np.int16]], step_sd: float = 0.001) -> StoredSignal:
    path.write_bytes(bytes(HEADER_BYTES) + signal.tobytes())
    return StoredSignal(path, HEADER_BYTES, signal.shape[0], signal.shape[1], step_sd)


def open_source(stored: list[StoredSignal], kind: str, device: str = "cpu", **feeding: object) -> WindowSource:
    windows = LabelledWindows(lay_table(LAYOUTS, SETTINGS), lay_labels(LAYOUTS, SEIZURES), ("a", "b", "c"))
    return WindowSource(windows, stored, SETTINGS, FeedingSettings(kind=kind, **feeding), device)


def shuffled(source: WindowSource) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.random.default_rng(1).permutation(source.kinds.size)


def here(batch: Batch) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, tuple[str, ...]]:
    """The batch's values, which the next one cannot overwrite."""
    tensors = (batch.window_BCT, batch.ictal_BL, batch.valid_BL)
    window_BCT, ictal_BL, valid_BL = (tensor.detach().cpu().clone() for tensor in tensors)
    return window_BCT, ictal_BL, valid_BL, batch.recording_ids


def reference(signals: Signals, stored: list[StoredSignal]) -> Iterator[tuple[torch.Tensor, torch.Tensor, torch.Tensor, str]]:
    """Every window as `lay_windows`, `CachedSignal.window` and `token_labels` have it, one by one."""
    for number, layout in enumerate(LAYOUTS):
        cached = CachedSignal(signals[number], layout, stored[number].step_sd)
        labels = token_labels(layout, SEIZURES[number])
        for window in lay_windows(layout, SETTINGS):
            first = layout.token_starts[window.stretch] + window.first_token
            ictal, valid = np.zeros(SETTINGS.window_tokens, np.float32), np.zeros(SETTINGS.window_tokens, np.float32)
            ictal[: window.valid_tokens] = labels[first : first + window.valid_tokens]
            valid[: window.valid_tokens] = 1
            samples = torch.from_numpy(cached.window(window, SETTINGS))
            yield samples, torch.from_numpy(ictal), torch.from_numpy(valid), "abc"[number]


def check_all_windows(source: WindowSource, signals: Signals, stored: list[StoredSignal]) -> None:
    expected = list(reference(signals, stored))
    order = shuffled(source)
    place = 0
    for batch in source.batches(order, 4):
        window_BCT, ictal_BL, valid_BL, names = here(batch)
        for row, name in enumerate(names):
            samples, ictal, valid, recording = expected[order[place]]
            assert torch.equal(window_BCT[row].view(torch.int32), samples.view(torch.int32))
            assert torch.equal(ictal_BL[row], ictal)
            assert torch.equal(valid_BL[row], valid)
            assert name == recording
            place += 1
    assert place == len(expected)


@pytest.mark.parametrize("kind", KINDS)
def test_every_backing_gives_the_windows_of_the_law_bit_for_bit(
    kind: str, signals: Signals, stored: list[StoredSignal]
) -> None:
    with open_source(stored, kind) as source:
        check_all_windows(source, signals, stored)
        assert source.choice is not None
        assert source.choice.kind == kind


@needs_cuda
@pytest.mark.parametrize("kind", KINDS)
def test_a_gpu_gives_the_windows_of_the_law_bit_for_bit(kind: str, signals: Signals, stored: list[StoredSignal]) -> None:
    with open_source(stored, kind, "cuda", ahead=2) as source:
        check_all_windows(source, signals, stored)


@pytest.mark.parametrize("kind", KINDS)
def test_an_epoch_taken_up_in_the_middle_goes_on_as_it_would_have(kind: str, stored: list[StoredSignal]) -> None:
    with open_source(stored, kind, threads=3, ahead=5) as source:
        order = shuffled(source)
        whole = [here(batch) for batch in source.batches(order, 3)]
        for first_step in (0, 1, len(whole) - 1, len(whole)):
            rest = [here(batch) for batch in source.batches(order, 3, first_step)]
            assert len(rest) == len(whole) - first_step
            for ours, theirs in zip(rest, whole[first_step:], strict=True):
                assert all(torch.equal(mine, other) for mine, other in zip(ours[:3], theirs[:3], strict=True))
                assert ours[3] == theirs[3]


@given(windows=st.integers(1, 500), batch_size=st.integers(1, 64), ranks=st.integers(1, 64), first_step=st.integers(0, 20))
def test_the_ranks_shares_end_to_end_are_the_order_of_one(windows: int, batch_size: int, ranks: int, first_step: int) -> None:
    ranks = min(ranks, batch_size)
    alone = divide(windows, batch_size, first_step)
    shares = [divide(windows, batch_size, first_step, Share(rank, ranks)) for rank in range(ranks)]
    for step, batch in enumerate(alone):
        parts = [share[step] for share in shares]
        assert [parts[0].start, *(part.stop for part in parts)][-1] == batch.stop
        assert parts[0].start == batch.start
        assert all(before.stop == after.start for before, after in pairwise(parts))
        sizes = [part.stop - part.start for part in parts]
        assert max(sizes) - min(sizes) <= 1
        if (batch.stop - batch.start) % ranks == 0:
            assert len(set(sizes)) == 1


def test_a_rank_feeds_its_share_of_every_batch(stored: list[StoredSignal]) -> None:
    with open_source(stored, "ring") as source:
        order = shuffled(source)
        alone = [here(batch)[0] for batch in source.batches(order, 4)]
        ranks = [[here(batch)[0] for batch in source.batches(order, 4, share=Share(rank, 2))] for rank in range(2)]
    for whole, *parts in zip(alone, *ranks, strict=True):
        assert torch.equal(torch.cat(parts), whole)


def test_a_rank_that_is_not_among_them_and_a_rank_without_windows_are_refused() -> None:
    with pytest.raises(ValueError, match="rank 2 of 2"):
        Share(2, 2)
    with pytest.raises(ValueError, match="5 ranks share batches of 4 windows"):
        divide(100, 4, share=Share(0, 5))


@given(layouts, st.integers(0, 2**31))
def test_the_table_holds_the_windows_and_kinds_of_the_law(samples: list[list[int]], seed: int) -> None:
    generator = np.random.default_rng(seed)
    laid = [layout_of(each) for each in samples]
    seizures = [tuple(sorted(generator.uniform(0, layout.duration_s, 2).tolist()) for _ in range(2)) for layout in laid]
    table, ictal = lay_table(laid, SETTINGS), lay_labels(laid, seizures)
    kinds = kinds_of(table, ictal, SETTINGS)
    counts = count_ictal(table, ictal)
    row = tokens_before = 0
    for number, (layout, seizure) in enumerate(zip(laid, seizures, strict=True)):
        labels = token_labels(layout, seizure)
        for window in lay_windows(layout, SETTINGS):
            first = layout.token_starts[window.stretch] + window.first_token
            piece = labels[first : first + window.valid_tokens]
            assert table.recording[row] == number
            assert table.first_sample[row] == layout.sample_starts[window.stretch] + 16 * window.first_token
            assert table.first_token[row] == tokens_before + first
            assert (table.valid_samples[row], table.valid_tokens[row]) == (window.valid_samples, window.valid_tokens)
            assert (kinds[row], counts[row]) == (kind_of(piece, SETTINGS), piece.sum())
            row += 1
        tokens_before += layout.tokens
    assert row == len(table)


def test_a_stride_over_the_window_is_refused() -> None:
    with pytest.raises(ValueError, match="stride must be 1 to 32 tokens"):
        lay_table(LAYOUTS, WindowSettings(window_s=2, stride_s=3))


def test_rotated_labels_are_the_same_labels_elsewhere() -> None:
    ictal = lay_labels(LAYOUTS, SEIZURES)
    rotated = rotate_labels(ictal, LAYOUTS, seed=3)
    assert (rotated.size, rotated.sum()) == (ictal.size, ictal.sum())
    assert not np.array_equal(rotated, ictal)
    np.testing.assert_array_equal(rotated, rotate_labels(ictal, LAYOUTS, seed=3))


def test_a_window_takes_at_most_32_bytes_of_memory() -> None:
    table = lay_table([Layout((256 * 3600,), (0.0,))] * 100, WindowSettings())
    columns = (table.recording, table.first_sample, table.first_token, table.valid_samples)
    kinds = kinds_of(table, np.zeros(100 * 3600 * 16, np.bool_), WindowSettings())
    assert (sum(column.nbytes for column in columns) + kinds.nbytes) / len(table) <= 32


def gather_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("gather")]


@pytest.mark.parametrize("kind", ["ring", "disk"])
def test_no_thread_is_left_when_training_stops_in_the_middle(kind: str, stored: list[StoredSignal]) -> None:
    def stop_in_the_middle() -> None:
        with open_source(stored, kind) as source:
            for _ in source.batches(shuffled(source), 2):
                assert gather_threads()
                raise InterruptedError

    with pytest.raises(InterruptedError):
        stop_in_the_middle()
    assert not gather_threads()


@pytest.mark.parametrize("kind", ["ring", "disk"])
def test_an_epoch_that_was_left_does_not_disturb_the_next(kind: str, signals: Signals, stored: list[StoredSignal]) -> None:
    with open_source(stored, kind) as source:
        left = source.batches(shuffled(source), 2)
        next(left)
        check_all_windows(source, signals, stored)


def test_recordings_hold_no_descriptor_each(tmp_path: Path, stored: list[StoredSignal]) -> None:
    before = len(os.listdir("/proc/self/fd"))
    many = [keep(tmp_path / f"{number}", np.full((2, 64), number, np.int16)) for number in range(200)]
    out_CT = np.empty((2, 64), np.int16)
    for signals in (MappedSignals(many), FileSignals(many)):
        for number in range(len(many)):
            signals.copy(number, 0, out_CT)
            assert (out_CT == number).all()
        assert len(os.listdir("/proc/self/fd")) <= before + 2


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_that_was_cut_short_is_named(kind: str, tmp_path: Path, stored: list[StoredSignal]) -> None:
    path = tmp_path / "short"
    path.write_bytes(stored[0].path.read_bytes()[:-2])
    broken = [replace(stored[0], path=path), *stored[1:]]

    def feed_all() -> None:
        with open_source(broken, kind) as source:
            for _ in source.batches(np.arange(source.kinds.size), 4):
                pass

    with pytest.raises(OSError, match="short"):
        feed_all()
    assert not gather_threads()


def test_a_file_replaced_under_way_stops_the_reading(tmp_path: Path) -> None:
    signal = keep(tmp_path / "a", np.zeros((2, 64), np.int16))
    signals, out_CT = FileSignals([signal]), np.empty((2, 64), np.int16)
    signals.copy(0, 0, out_CT)
    keep(tmp_path / "b", np.ones((2, 64), np.int16)).path.replace(signal.path)
    with pytest.raises(OSError, match="a: changed while its windows are read"):
        signals.copy(0, 0, out_CT)


def test_auto_takes_the_device_then_memory_then_the_disk() -> None:
    auto = FeedingSettings(device_share=0.5, memory_share=0.5)
    assert choose(50, auto, "cuda", on_device=100, in_memory=100).kind == "resident"
    assert choose(50, auto, "cuda", on_device=99, in_memory=100).kind == "ring"
    assert choose(50, auto, "cuda", on_device=99, in_memory=99).kind == "disk"
    assert choose(50, auto, "cpu", on_device=100, in_memory=100).kind == "ring"
    assert choose(500, FeedingSettings(kind="ring"), "cpu", on_device=100, in_memory=100).kind == "ring"
    usual = FeedingSettings()
    assert choose(25, usual, "cuda", on_device=100, in_memory=100).kind == "resident"
    assert choose(26, usual, "cuda", on_device=100, in_memory=100).kind == "ring"  # a step of training takes two thirds
    with pytest.raises(RuntimeError, match=r"feeding\.kind is 'resident'"):
        choose(101, FeedingSettings(kind="resident"), "cuda", on_device=100, in_memory=1000)


def test_kinds_are_counted_as_the_labels_have_them(stored: list[StoredSignal]) -> None:
    with open_source(stored, "ring") as source:
        assert {Kind(kind) for kind in source.kinds} == {Kind.BACKGROUND, Kind.PARTIAL, Kind.FULL}
        everything = np.arange(source.kinds.size)
        batch = next(iter(source.batches(everything, everything.size)))
        assert source.ictal_share(everything) == pytest.approx((batch.ictal_BL.sum() / batch.valid_BL.sum()).item())
