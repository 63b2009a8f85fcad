"""The journal of far nodes: whole or not there, one process at a time, and never a secret in it."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from seizure_pipeline.remote.backend import RemoteError
from seizure_pipeline.remote.journal import Call, Journal, new_name
from seizure_pipeline.remote.records import Request

SETTINGS: dict[str, object] = {"backend": "subprocess", "far_root": "/far", "tags": {}}


def a_call(name: str = "train-1", started_s: float = 1.0, **params: object) -> Call:
    request = Request(name, "train", "far", ("training",), params, "2026", "/far", "c0de", "3.11", secret_keys=("FAR_TOKEN",))
    return Call(request, "folder", "app", started_s, "inputs", SETTINGS, ("train", "score"), epochs=((1, {"loss": 0.5}),))


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    calls = [replace(a_call("b", 2.0), brought={"06_models/x": 7}), a_call("a", 3.0), a_call("c", 1.0)]
    for call in calls:
        journal.write(call)
    assert Journal(tmp_path).calls() == [calls[2], calls[0], calls[1]]


def test_a_record_without_the_settings_that_lead_back_to_its_call_is_none(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    journal = Journal(tmp_path)
    journal.write(a_call("train-1"))
    (record,) = (tmp_path / "remote").glob("*.json")
    record.write_text(json.dumps({**json.loads(record.read_text()), "settings": "a fingerprint"}))
    assert journal.calls() == []
    assert "train-1.json: not a record of a call (settings are 'a fingerprint')" in caplog.text


def test_a_call_is_found_by_how_its_name_begins_if_that_is_one(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    for name in ("train-1", "train-12", "score-3"):
        journal.write(a_call(name))
    assert journal.find("sc").call == "score-3"
    assert journal.find("train-1").call == "train-1"
    with pytest.raises(RemoteError, match="several calls begin with train"):
        journal.find("train")
    with pytest.raises(RemoteError, match=r"no call draw in .*; there are .*score-3"):
        journal.find("draw")


@pytest.mark.parametrize("content", ["", '{"request": {', "[]", '{"request": 1}', "null", '{"status": "running"}'])
def test_a_torn_record_is_named_and_hides_no_other(tmp_path: Path, content: str, caplog: pytest.LogCaptureFixture) -> None:
    journal = Journal(tmp_path)
    journal.write(a_call("whole"))
    (tmp_path / "remote/torn.json").write_text(content)
    (tmp_path / "remote/whole.123.part").write_text('{"request"')
    assert [call.call for call in journal.calls()] == ["whole"]
    assert "torn.json" in caplog.text


WRITER = """
import sys
from dataclasses import replace
from pathlib import Path
from seizure_pipeline.remote.journal import Journal
journal = Journal(Path(sys.argv[1]))
call = journal.find("train")
print("ready", flush=True)
for number in range(10**9):
    journal.write(replace(call, last_event=number, epochs=tuple((epoch, {"loss": float(number)}) for epoch in range(300))))
"""


def test_a_writer_killed_at_any_moment_leaves_a_whole_record(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.write(a_call())
    seen = set()
    for pause_s in (0.01, 0.02, 0.035, 0.05):
        with subprocess.Popen([sys.executable, "-c", WRITER, tmp_path], stdout=subprocess.PIPE) as writer:
            assert writer.stdout is not None
            writer.stdout.readline()
            time.sleep(pause_s)
            writer.kill()
        (call,) = journal.calls()
        assert {metrics["loss"] for _, metrics in call.epochs} in ({float(call.last_event)}, {0.5})
        seen.add(call.last_event)
    assert len(seen) > 1


def test_no_value_of_a_secret_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    planted = 'pa"ss\\wörd/4711'
    monkeypatch.setenv("FAR_TOKEN", planted)
    call = a_call(note=f"see {planted}", nested={"list": [planted, 3]})
    Journal(tmp_path, ["FAR_TOKEN", "NOT_SET"]).write(call)
    written = b"".join(file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())
    assert b"4711" not in written
    (kept,) = Journal(tmp_path).calls()
    assert kept.params == {"note": "see ***", "nested": {"list": ["***", 3]}}
    assert kept.request.secret_keys == ("FAR_TOKEN",)


HOLDER = """
import sys, time
from pathlib import Path
from seizure_pipeline.remote.journal import Journal
with Journal(Path(sys.argv[1])).held("train-1"):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_second_process_is_refused_and_told_which_the_first_is(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLDER, tmp_path], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with (
            pytest.raises(RemoteError, match=f"followed by process {holder.pid} on .*the far node runs on"),
            Journal(tmp_path).held("train-1"),
        ):
            pass
        holder.kill()
    with Journal(tmp_path).held("train-1"):
        holders = (tmp_path / "remote/train-1.lock").read_text()
    assert f"process {holder.pid} " not in holders


def test_names_of_calls_of_the_same_second_differ() -> None:
    assert len({new_name("train") for _ in range(20)}) > 1


def test_a_line_of_a_step_that_a_kill_cut_hides_no_other(tmp_path: Path) -> None:
    journal, path = Journal(tmp_path), tmp_path / "remote/train-1.steps.jsonl"
    assert journal.steps("train-1") == []
    journal.add_steps("train-1", [({"loss": 0.5}, 20), ({"loss": 0.25}, 40)])
    content = path.read_bytes()
    for cut in range(1, len(content.splitlines()[-1]) + 1):
        path.write_bytes(content[:-cut])
        Journal(tmp_path).add_steps("train-1", [({"loss": 0.25}, 40), ({"loss": 0.125}, 60)])
        kept = {step: metrics for metrics, step in Journal(tmp_path).steps("train-1")}
        assert kept == {20: {"loss": 0.5}, 40: {"loss": 0.25}, 60: {"loss": 0.125}}
    assert Journal(tmp_path).calls() == []
