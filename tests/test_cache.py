"""The cache: an index that knows what each file was made from, nothing kept stale and nothing made twice."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xxhash
from noise_corpus import ONE_PROCESS, build, contents, identities, listed, write_annotation, write_corpus, write_recording

from seizure_pipeline.cache import (
    CacheError,
    PreparationSettings,
    build_cache,
    open_signal,
    rows_from_table,
    store,
    table_from_rows,
)
from seizure_pipeline.cache import ledger as ledgers
from seizure_pipeline.cache.facts import read_facts
from seizure_pipeline.cache.index import count_kinds
from seizure_pipeline.corpora import Folder, RecordingRow
from seizure_pipeline.montage import ELECTRODES, MontageSettings
from seizure_pipeline.windows import Kind, Layout, WindowSettings, kind_of, lay_windows, token_labels

Chains = list[str]


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """Three recordings of 20 s."""
    write_corpus(tmp_path / "corpus")
    return tmp_path / "corpus"


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Every cached file that is opened as an archive."""
    names: list[str] = []
    plain = store.zipfile.ZipFile

    class Counted(plain):  # type: ignore[misc, valid-type]
        def __init__(self, file: object, *arguments: object, **options: object) -> None:
            names.append(str(file))
            super().__init__(file, *arguments, **options)

    monkeypatch.setattr(store.zipfile, "ZipFile", Counted)
    return names


def with_signals(**changed: object) -> PreparationSettings:
    return PreparationSettings(workers=1, signals=ONE_PROCESS.signals.model_copy(update=changed))


def test_the_cache_holds_every_recording_at_256_hz_in_19_electrodes(small_corpus: Path, tmp_path: Path) -> None:
    rows = listed(small_corpus)
    index = build(small_corpus, tmp_path)
    assert [entry.recording_id for entry in index] == [row.recording_id for row in rows]
    for entry, row in zip(index, rows, strict=True):
        cached = open_signal(tmp_path / entry.file)
        assert entry.file == f"{entry.chain}/{entry.recording_id}.npz"
        assert cached.signal.shape == (19, round(row.duration_s * 256))
        spread = np.median(np.abs(cached.signal.astype(np.float64)), axis=1) * cached.step_sd * 1.4826
        np.testing.assert_allclose(spread, 1.0, atol=0.02)
        windows = entry.background_windows + entry.partial_windows + entry.full_windows
        assert windows == len(lay_windows(entry.layout, ONE_PROCESS.windows))
        assert (entry.partial_windows > 0) == bool(row.seizures)


def test_a_cached_file_says_by_itself_what_it_holds_and_what_it_was_made_from(corpus: Path, tmp_path: Path) -> None:
    row = listed(corpus)[0]
    entry = build(corpus, tmp_path / "cache")[0]
    with np.load(tmp_path / "cache" / entry.file, allow_pickle=False) as file:
        meta = json.loads(bytes(file["meta"]))
        signal = file["signal"]
        assert {name: file[name].shape for name in ("median_uv", "sd_uv")} == {"median_uv": (19,), "sd_uv": (19,)}
    assert meta["recording_id"] == row.recording_id
    assert meta["electrodes"] == list(ELECTRODES)
    assert meta["rate_hz"] == 256
    assert meta["stretches"] == [{"start_s": 0.0, "samples": signal.shape[1]}]
    assert meta["gaps"] == []
    assert meta["seizures"] == [[14.0, 18.0]]
    assert meta["signal_xxh3_128"] == xxhash.xxh3_128_hexdigest(signal.tobytes())
    source = (corpus / row.path).read_bytes()
    assert (meta["source"]["path"], meta["source"]["size_bytes"]) == (row.path, len(source))
    assert meta["source"]["xxh3_128"] == xxhash.xxh3_128_hexdigest(source)
    facts = read_facts(tmp_path / "cache" / entry.file)
    assert facts.from_json(facts.to_json()) == facts


def test_what_is_unchanged_is_kept_without_opening_a_file_or_writing_one(
    corpus: Path, tmp_path: Path, chains: Chains, opened: list[str]
) -> None:
    first = build(corpus, tmp_path / "cache")
    before = identities(tmp_path / "cache")
    chains.clear()
    opened.clear()
    assert build(corpus, tmp_path / "cache") == first
    assert (chains, opened) == ([], [])
    assert identities(tmp_path / "cache") == before


def test_a_changed_recording_alone_is_made_again(corpus: Path, tmp_path: Path, chains: Chains) -> None:
    first = build(corpus, tmp_path / "cache")
    before = identities(tmp_path / "cache")
    chains.clear()
    write_recording(corpus, "ab", seed=77)
    second = build(corpus, tmp_path / "cache")
    assert chains == ["ab_s001_t000"]
    after = identities(tmp_path / "cache")
    assert {name for name in before if after[name] != before[name]} == {first[1].file}
    assert second[1].fingerprint != first[1].fingerprint


def test_a_recording_with_another_date_and_the_same_bytes_is_not_computed_again(
    corpus: Path, tmp_path: Path, chains: Chains
) -> None:
    build(corpus, tmp_path / "cache")
    chains.clear()
    path = corpus / listed(corpus)[0].path
    os.utime(path, ns=(1, 1))
    again = build(corpus, tmp_path / "cache")
    assert chains == []
    assert read_facts(tmp_path / "cache" / again[0].file).origin.source.token == listed(corpus)[0].token
    build(corpus, tmp_path / "undisturbed")
    assert contents(tmp_path / "cache") == contents(tmp_path / "undisturbed")


def test_a_corrected_annotation_rewrites_the_facts_without_the_chain(corpus: Path, tmp_path: Path, chains: Chains) -> None:
    first = build(corpus, tmp_path / "cache")
    before = identities(tmp_path / "cache")
    chains.clear()
    write_annotation(corpus / listed(corpus)[0].path, seizure_s=2.0)
    second = build(corpus, tmp_path / "cache")
    assert second[0].seizures == ((14.0, 16.0),)
    assert second[0].fingerprint != first[0].fingerprint
    assert chains == []
    after = identities(tmp_path / "cache")
    assert {name for name in before if after[name] != before[name]} == {first[0].file}
    build(corpus, tmp_path / "undisturbed")
    assert contents(tmp_path / "cache") == contents(tmp_path / "undisturbed")


def test_other_windows_change_the_index_alone(corpus: Path, tmp_path: Path, chains: Chains, opened: list[str]) -> None:
    first = build(corpus, tmp_path / "cache")
    before = identities(tmp_path / "cache")
    chains.clear()
    opened.clear()
    settings = PreparationSettings(workers=1, windows=WindowSettings(window_s=4.0, stride_s=1.0))
    second = build(corpus, tmp_path / "cache", settings)
    assert (chains, opened) == ([], [])
    assert identities(tmp_path / "cache") == before
    assert [row.full_windows for row in second] == [1, 1, 1]
    assert [row.fingerprint for row in second] == [row.fingerprint for row in first]
    assert build(corpus, tmp_path / "cache") == first


def test_another_split_changes_the_index_alone(corpus: Path, tmp_path: Path, chains: Chains, opened: list[str]) -> None:
    build(corpus, tmp_path / "cache")
    before = identities(tmp_path / "cache")
    chains.clear()
    opened.clear()
    rows = [replace(row, split="dev") for row in listed(corpus)]
    index = build_cache(Folder(str(corpus)), rows, ONE_PROCESS, MontageSettings(), tmp_path / "cache")
    assert {row.split for row in index} == {"dev"}
    assert (chains, opened) == ([], [])
    assert identities(tmp_path / "cache") == before


def test_other_settings_of_the_chain_fill_another_folder_and_leave_the_first(
    corpus: Path, tmp_path: Path, chains: Chains
) -> None:
    first = build(corpus, tmp_path / "cache")
    before = identities(tmp_path / "cache")
    second = build(corpus, tmp_path / "cache", with_signals(notch_hz=50.0))
    assert len(chains) == 6
    assert second[0].chain != first[0].chain
    assert second[0].fingerprint != first[0].fingerprint
    assert before.items() <= identities(tmp_path / "cache").items()
    chains.clear()
    assert build(corpus, tmp_path / "cache") == first
    assert chains == []


@pytest.mark.parametrize("ledger", ["missing", "empty", "torn", "of other columns"])
def test_losing_the_ledger_costs_only_time(corpus: Path, tmp_path: Path, chains: Chains, ledger: str) -> None:
    first = build(corpus, tmp_path / "cache")
    before = identities(tmp_path / "cache")
    chains.clear()
    path = tmp_path / "cache" / first[0].chain / ledgers.LEDGER
    content = path.read_bytes()
    path.unlink()
    if ledger == "of other columns":
        pd.DataFrame({"origin": ["one"], "recording_id": ["aa_s001_t000"]}).to_parquet(path)
    elif ledger != "missing":
        path.write_bytes(b"" if ledger == "empty" else content[: len(content) // 2])
    assert build(corpus, tmp_path / "cache") == first
    assert chains == []
    assert identities(tmp_path / "cache") == before


@pytest.mark.parametrize("damage", ["flipped", "truncated", "emptied", "removed"])
def test_a_damaged_file_is_made_again_as_it_was(corpus: Path, tmp_path: Path, chains: Chains, damage: str) -> None:
    index = build(corpus, tmp_path / "cache")
    whole = contents(tmp_path / "cache")
    chains.clear()
    path = tmp_path / "cache" / index[1].file
    content = bytearray(path.read_bytes())
    if damage == "removed":
        path.unlink()
    elif damage == "flipped":
        content[len(content) // 2] ^= 1
        path.write_bytes(bytes(content))
    else:
        path.write_bytes(bytes(content)[: len(content) // 2 if damage == "truncated" else 0])
    assert build(corpus, tmp_path / "cache") == index
    assert chains == [index[1].recording_id]
    assert contents(tmp_path / "cache") == whole


def test_a_file_of_another_recording_under_this_name_is_not_taken(corpus: Path, tmp_path: Path) -> None:
    index = build(corpus, tmp_path / "cache")
    whole = contents(tmp_path / "cache")
    shutil.copy(tmp_path / "cache" / index[0].file, tmp_path / "cache" / index[1].file)
    assert build(corpus, tmp_path / "cache") == index
    assert contents(tmp_path / "cache") == whole


def test_a_moved_recording_is_not_computed_again(corpus: Path, tmp_path: Path, chains: Chains) -> None:
    build(corpus, tmp_path / "cache")
    chains.clear()
    (corpus / "edf/dev").mkdir()
    shutil.move(corpus / "edf/train/ab", corpus / "edf/dev/ab")
    index = build(corpus, tmp_path / "cache")
    assert chains == []
    assert {row.recording_id: row.split for row in index}["ab_s001_t000"] == "dev"


def test_a_copied_corpus_gives_the_same_fingerprints(corpus: Path, tmp_path: Path) -> None:
    shutil.copytree(corpus, tmp_path / "copy")
    first, second = build(corpus, tmp_path / "first"), build(tmp_path / "copy", tmp_path / "second")
    assert [row.fingerprint for row in first] == [row.fingerprint for row in second]


def test_several_processes_make_the_same_files_as_one(corpus: Path, tmp_path: Path) -> None:
    assert build(corpus, tmp_path / "one") == build(corpus, tmp_path / "two", PreparationSettings(workers=2))
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_a_recording_that_is_flat_for_most_of_its_length_is_refused_and_not_computed_again(
    tmp_path: Path, chains: Chains
) -> None:
    write_recording(tmp_path / "corpus", flat_records=12)
    (entry,) = build(tmp_path / "corpus", tmp_path / "cache")
    assert entry.status == "refused"
    assert "aa_s001_t000.edf" in entry.reason
    assert build(tmp_path / "corpus", tmp_path / "cache") == [entry]
    assert chains == ["aa_s001_t000"]
    write_recording(tmp_path / "corpus")
    (repaired,) = build(tmp_path / "corpus", tmp_path / "cache")
    assert repaired.accepted
    write_recording(tmp_path / "corpus", flat_records=12)
    assert build(tmp_path / "corpus", tmp_path / "cache") == [entry]
    assert contents(tmp_path / "cache") == {}


def test_a_file_that_changes_under_way_is_not_kept_under_what_it_was(corpus: Path, tmp_path: Path) -> None:
    rows = listed(corpus)
    write_recording(corpus, "ab", seed=77)
    with pytest.raises(CacheError, match=r"ab_s001_t000\.edf: changed since the recordings were listed"):
        build_cache(Folder(str(corpus)), rows, ONE_PROCESS, MontageSettings(), tmp_path / "cache")
    build(corpus, tmp_path / "cache")
    build(corpus, tmp_path / "undisturbed")
    assert contents(tmp_path / "cache") == contents(tmp_path / "undisturbed")


def test_files_of_an_earlier_format_are_left_alone(corpus: Path, tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache/aa_s001_t000.npz").write_bytes(b"format 1")
    build(corpus, tmp_path / "cache")
    assert (tmp_path / "cache/aa_s001_t000.npz").read_bytes() == b"format 1"


def test_the_index_survives_its_table(corpus: Path, tmp_path: Path) -> None:
    index = build(corpus, tmp_path / "cache")
    assert rows_from_table(table_from_rows(index)) == index


def test_windows_counted_at_once_are_those_counted_one_by_one() -> None:
    random = np.random.default_rng(0)
    for _ in range(50):
        samples = tuple(int(n) for n in random.integers(100, 60_000, random.integers(1, 4)))
        layout = Layout(samples, tuple(1000.0 * n for n in range(len(samples))))
        ends = np.sort(random.uniform(0, layout.duration_s, 4))
        seizures = ((float(ends[0]), float(ends[1])), (float(ends[2]), float(ends[3])))
        windows = WindowSettings(window_s=float(random.integers(1, 40)), stride_s=1.0)
        labels = token_labels(layout, seizures)
        firsts = [(layout.token_starts[w.stretch] + w.first_token, w.valid_tokens) for w in lay_windows(layout, windows)]
        kinds = [kind_of(labels[first : first + valid], windows) for first, valid in firsts]
        assert count_kinds(layout, seizures, windows) == {
            "background_windows": kinds.count(Kind.BACKGROUND),
            "partial_windows": kinds.count(Kind.PARTIAL),
            "full_windows": kinds.count(Kind.FULL),
        }


def test_rows_that_were_refused_before_stand_in_the_index_with_their_reason(corpus: Path, tmp_path: Path) -> None:
    (corpus / listed(corpus)[1].path).with_suffix(".csv_bi").unlink()
    rows: list[RecordingRow] = listed(corpus)
    index = build(corpus, tmp_path / "cache")
    assert [(row.status, row.reason) for row in index] == [(row.status, row.reason) for row in rows]
    assert index[1].status == "refused"
