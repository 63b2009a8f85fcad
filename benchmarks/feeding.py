"""Batches of 64 random windows of 60 s, warm and cold: ours against torch's DataLoader; on a GPU where there is one.

usage: python benchmarks/feeding.py [recordings] [minutes]

Writes recordings of 20 minutes to a temporary folder (100, or 400 with CUDA: 4.7 GB); medians of interleaved rounds.
Warm: files and feeds are opened outside the clock. Cold: all opening, threads and workers included, is inside it. Every
feed gives the same number of batches, but cold and on a GPU DataLoaders that load whole files give 2: they would take
minutes. Needs numpy, torch, pydantic and rich.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from pathlib import Path

import numpy as np
import torch
from gpu_limits import print_cuts, print_limits
from page_cache import drop_from_memory
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from seizure_pipeline.training.backings import Ring
from seizure_pipeline.training.batches import Batch, LabelledWindows, WindowSource
from seizure_pipeline.training.settings import FeedingSettings
from seizure_pipeline.training.stored import FileSignals, MappedSignals, StoredSignal
from seizure_pipeline.training.table import lay_labels, lay_table
from seizure_pipeline.windows import Layout, WindowSettings

CHANNELS, RATE_HZ, BATCH = 19, 256, 64
WINDOW = 60 * RATE_HZ
SETTINGS = WindowSettings()
WARM_UP_ROUNDS, WARM_ROUNDS, COLD_ROUNDS, AHEAD = 2, 7, 3, 4
BATCHES, BATCHES_ON_GPU, LOADER_BATCHES_ON_GPU, WHOLE_FILE_BATCHES = 12, 200, 6, 2
WHOLE_FILES, MAPS = "DataLoader over np.load", "DataLoader over np.load(mmap_mode='r')"
Feed = Callable[[np.ndarray], Iterator[object]]
Opener = Callable[[], AbstractContextManager[Feed]]


class LoadedRecordings(Dataset[Tensor]):
    """The usual dataset: np.load of the recording, whole or mapped, one window of it, scaled."""

    def __init__(self, stored: Sequence[StoredSignal], windows: LabelledWindows, mapped: bool) -> None:
        self._stored, self._table, self._mode = stored, windows.table, "r" if mapped else None

    def __getitem__(self, number: int) -> Tensor:
        signal, first = self._stored[self._table.recording[number]], self._table.first_sample[number]
        window_CT = np.load(signal.path, mmap_mode=self._mode)[:, first : first + WINDOW]
        return torch.from_numpy(window_CT.astype(np.float32) * np.float32(signal.step_sd))


def main() -> None:
    cuda = torch.cuda.is_available()
    parser = argparse.ArgumentParser()
    parser.add_argument("recordings", type=int, nargs="?", default=400 if cuda else 100)
    parser.add_argument("minutes", type=int, nargs="?", default=20)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        stored = _write_recordings(Path(folder), asked.recordings, asked.minutes * 60 * RATE_HZ)
        windows = _label(stored)
        size_gb = sum(signal.size_bytes for signal in stored) / 1e9
        print(f"{len(windows.table)} windows, {size_gb:.2f} GB, torch {torch.__version__}")
        _compare("here", _openers_here(stored, windows), windows, stored)
        if cuda:
            _check_same(stored, windows)
            rates = _compare(torch.cuda.get_device_name(), _openers_on_gpu(stored, windows), windows, stored)
            print_limits(rates["resident, 1 threads, float32"], max(rates[name] for name in rates if name.startswith("ring")))
            print_cuts(len(stored), stored[0].samples)


def _check_same(stored: list[StoredSignal], windows: LabelledWindows) -> None:
    """Stop unless the GPU's batches are those of the CPU, bit for bit, from every backing."""
    order = np.random.default_rng(0).integers(0, len(windows.table), 3 * BATCH + 5)
    with WindowSource(windows, stored, SETTINGS, FeedingSettings(kind="ring"), "cpu") as source:
        expected = [[tensor.clone() for tensor in _tensors(batch)] for batch in source.batches(order, BATCH)]
    for kind in ("resident", "ring", "disk"):
        with WindowSource(windows, stored, SETTINGS, FeedingSettings(kind=kind), "cuda") as source:
            for batch, wanted in zip(source.batches(order, BATCH), expected, strict=True):
                if not all(torch.equal(ours.cpu(), theirs) for ours, theirs in zip(_tensors(batch), wanted, strict=True)):
                    raise SystemExit(f"{kind}: not the CPU's windows")
    print("resident, ring and disk give the CPU's batches bit for bit")


def _tensors(batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
    return batch.window_BCT, batch.ictal_BL, batch.valid_BL


def _openers_here(stored: list[StoredSignal], windows: LabelledWindows) -> dict[str, Opener]:
    """What the CPU does; `int16` feeds end in a reused buffer of samples, `float32` ones are whole batches with labels."""
    openers: dict[str, Opener] = {"memcpy, one thread, int16": _memcpy}
    for threads in (1, 2):
        openers[f"ring, mapped files, {threads} threads, int16"] = partial(_ring, stored, windows, threads, MappedSignals)
    openers["ring, read files, 8 threads, int16"] = partial(_ring, stored, windows, 8, FileSignals)
    for kind, threads in (("resident", 1), ("ring", 1), ("ring", 2), ("disk", 8)):
        openers[f"{kind}, {threads} threads, float32"] = partial(_source, stored, windows, kind, threads, "cpu")
    return {**openers, **_loader_openers(stored, windows, "cpu")}


def _openers_on_gpu(stored: list[StoredSignal], windows: LabelledWindows) -> dict[str, Opener]:
    """Whole batches with labels, on the GPU."""
    openers: dict[str, Opener] = {}
    for kind, threads in (("resident", 1), ("ring", 1), ("ring", 2), ("ring", 4), ("disk", 8)):
        openers[f"{kind}, {threads} threads, float32"] = partial(_source, stored, windows, kind, threads, "cuda")
    return {**openers, **_loader_openers(stored, windows, "cuda")}


def _loader_openers(stored: list[StoredSignal], windows: LabelledWindows, device: str) -> dict[str, Opener]:
    openers: dict[str, Opener] = {}
    for name in (WHOLE_FILES, MAPS):
        dataset = LoadedRecordings(stored, windows, name == MAPS)
        openers |= {f"{name}, {workers} workers": partial(_loader, dataset, workers, device) for workers in (0, 2)}
    return openers


@contextmanager
def _memcpy() -> Iterator[Feed]:
    """The same bytes, window by window, from memory into one buffer."""
    held = np.random.default_rng(0).integers(-3000, 3000, (512, CHANNELS, WINDOW), dtype=np.int16)
    batch = np.ones((BATCH, CHANNELS, WINDOW), np.int16)

    def feed(order: np.ndarray) -> Iterator[object]:
        for start in range(0, order.size, BATCH):
            for row, number in enumerate(order[start : start + BATCH]):
                np.copyto(batch[row], held[number % len(held)])
            yield batch

    yield feed


@contextmanager
def _ring(
    stored: list[StoredSignal], windows: LabelledWindows, threads: int, kind: type[MappedSignals] | type[FileSignals]
) -> Iterator[Feed]:
    ring = Ring(kind(stored), CHANNELS, WINDOW, torch.device("cpu"), threads, ahead=AHEAD)

    def feed(order: np.ndarray) -> Iterator[object]:
        parts = [slice(start, min(start + BATCH, order.size)) for start in range(0, order.size, BATCH)]
        return ring.feed(windows.table.take(order), parts)

    yield feed
    ring.close()


@contextmanager
def _source(stored: list[StoredSignal], windows: LabelledWindows, kind: str, threads: int, device: str) -> Iterator[Feed]:
    feeding = FeedingSettings(kind=kind, threads=threads, ahead=AHEAD)
    with WindowSource(windows, stored, SETTINGS, feeding, device) as source:
        source.open()
        yield lambda order: source.batches(order, BATCH)


@contextmanager
def _loader(dataset: LoadedRecordings, workers: int, device: str) -> Iterator[Feed]:
    """A DataLoader whose workers live on, so that their start is not counted."""
    sampler = _Order()
    loader = DataLoader(
        dataset,
        BATCH,
        sampler=sampler,
        num_workers=workers,
        pin_memory=device == "cuda",
        persistent_workers=workers > 0,
    )

    def feed(order: np.ndarray) -> Iterator[object]:
        sampler.numbers = order.tolist()
        return (batch.to(device, non_blocking=True) for batch in loader)

    yield feed


class _Order(Sampler[int]):
    """The order that a measurement asks for."""

    numbers: Sequence[int] = ()

    def __iter__(self) -> Iterator[int]:
        return iter(self.numbers)

    def __len__(self) -> int:
        return len(self.numbers)


def _compare(title: str, openers: dict[str, Opener], windows: LabelledWindows, stored: list[StoredSignal]) -> dict[str, float]:
    """Print windows per second, warm and cold; returns the warm ones."""
    files = [signal.path for signal in stored]
    warm = _rates(_measure_warm(openers, windows))
    _print(f"{title}, warm", warm)
    from_disk = {name: opener for name, opener in openers.items() if "memcpy" not in name and "resident" not in name}
    _print(f"{title}, cold, {drop_from_memory(files)}", _rates(_measure_cold(from_disk, windows, files)))
    return warm


def _measure_warm(openers: dict[str, Opener], windows: LabelledWindows) -> dict[str, list[float]]:
    times: dict[str, list[float]] = {name: [] for name in openers}
    on_gpu = torch.cuda.is_initialized()
    batches = BATCHES_ON_GPU if on_gpu else BATCHES
    with ExitStack() as stack:
        feeds = {name: stack.enter_context(opener()) for name, opener in openers.items()}
        for number in range(-WARM_UP_ROUNDS, WARM_ROUNDS):
            for name, feed in feeds.items():
                began = time.perf_counter()
                fed = _feed(
                    feed,
                    windows,
                    number + WARM_UP_ROUNDS,
                    LOADER_BATCHES_ON_GPU if on_gpu and "DataLoader" in name else batches,
                )
                took_s = (time.perf_counter() - began) / fed
                if number >= 0:
                    times[name].append(took_s)
    return times


def _measure_cold(openers: dict[str, Opener], windows: LabelledWindows, files: list[Path]) -> dict[str, list[float]]:
    times: dict[str, list[float]] = {name: [] for name in openers}
    for number in range(COLD_ROUNDS):
        for name, opener in openers.items():
            gc.collect()
            drop_from_memory(files)  # while no map is open: mapped pages stay in memory
            times[name].append(_seconds_once(opener, windows, number, WHOLE_FILE_BATCHES if _is_whole(name) else BATCHES))
    return times


def _is_whole(name: str) -> bool:
    return name.startswith(f"{WHOLE_FILES},")


def _seconds_once(opener: Opener, windows: LabelledWindows, seed: int, batches: int) -> float:
    began = time.perf_counter()
    with opener() as feed:
        fed = _feed(feed, windows, seed, batches)
        return (time.perf_counter() - began) / fed


def _feed(feed: Feed, windows: LabelledWindows, seed: int, batches: int) -> int:
    """Ask for random windows until all have arrived; returns their number."""
    chosen = np.random.default_rng(seed).integers(0, len(windows.table), batches * BATCH)
    for _ in feed(chosen):
        pass
    if torch.cuda.is_initialized():
        torch.cuda.synchronize()
    return chosen.size


def _rates(times: dict[str, list[float]]) -> dict[str, float]:
    return {name: 1 / statistics.median(values) for name, values in times.items()}


def _print(title: str, rates: dict[str, float]) -> None:
    loader = max(rate for name, rate in rates.items() if "DataLoader" in name)
    memcpy = rates.get("memcpy, one thread, int16")
    print(title)
    for name, rate in rates.items():
        share = f"{rate / memcpy:>8.0%} of memcpy" if memcpy else ""
        print(f"  {name:<54}{rate:>10.0f} windows/s {rate / loader:>8.1f}x the best DataLoader {share}")


def _label(stored: list[StoredSignal]) -> LabelledWindows:
    layouts = [Layout((signal.samples,), (0.0,)) for signal in stored]
    labels = lay_labels(layouts, [((60.0, 120.0),)] * len(stored))
    return LabelledWindows(lay_table(layouts, SETTINGS), labels, tuple(signal.path.stem for signal in stored))


def _write_recordings(folder: Path, recordings: int, samples: int) -> list[StoredSignal]:
    generator = np.random.default_rng(0)
    noise = generator.integers(-3000, 3000, (CHANNELS, samples), dtype=np.int16)
    stored = []
    for number in range(recordings):
        path = folder / f"{number}.npy"
        np.save(path, np.roll(noise, 997 * number, axis=1))
        with open(path, "rb") as file:
            np.lib.format.read_magic(file)
            np.lib.format.read_array_header_1_0(file)
            stored.append(StoredSignal(path, file.tell(), CHANNELS, samples, 0.001))
    return stored


if __name__ == "__main__":
    main()
