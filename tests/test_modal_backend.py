"""What Modal would refuse is said before; files travel whole; who does not answer is asked again; events come in order."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from grpclib import Status
from modal_plane import FAR_ROOT, REPOSITORY, VOLUME, plane, request, settings

from seizure_pipeline.remote.backend import EndedWithoutAWord, LostContact, RemoteError
from seizure_pipeline.remote.modal.backend import ModalBackend, rates_from
from seizure_pipeline.remote.modal.events import Heard, lines_of
from seizure_pipeline.remote.modal.image import python_minor
from seizure_pipeline.remote.modal.limits import refused
from seizure_pipeline.remote.records import Event
from seizure_pipeline.remote.settings import RemoteSettings, Resources

__all__ = ["plane"]
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")  # of the plane
PLANTED = "planted-secret-9f8e7d"


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"timeout_s": 108_000}, "108000"),
        ({"startup_timeout_s": 90_000}, "startup_timeout_s"),
        ({"gpu": "A100-60GB"}, "A100-60GB"),
        ({"gpu": "A100-80GB:8"}, "gpu_count"),
        ({"gpu": "A10G", "gpu_count": 8}, "at most 4"),
        ({"gpu": ["H100", "H999"]}, "H999"),
        ({"cpu": 65}, "64 cores"),
        ({"memory_mib": 400_000}, "344064"),
        ({"disk_mib": 1000}, "disk_mib"),
        ({"grace_s": 45}, "30 s"),
        ({"retries": {"count": 11}}, "retries.count: 11"),
        ({"retries": {"delay_s": 61, "longest_delay_s": 60}}, "retries.delay_s"),
        ({"retries": {"longest_delay_s": 120}}, "retries.longest_delay_s"),
        ({"retries": {"backoff": 11}}, "retries.backoff"),
    ],
)
def test_a_machine_that_modal_refuses_is_named_before_anything_starts(change: dict[str, Any], named: str) -> None:
    (line,) = refused(settings(), [Resources.model_validate(change)], python_minor())
    assert named in line


@pytest.mark.parametrize(
    ("change", "python", "named"),
    [
        ({"image": {"kernel": True}}, "3.11", "-devel"),
        ({"image": {"kernel": True, "cuda": "nvidia/cuda:12.8.1-runtime-ubuntu22.04"}}, "3.11", "-devel"),
        ({}, "3.9", "Python 3.9"),
        ({"far_root": "/elsewhere/data"}, "3.11", "/elsewhere/data"),
        ({"far_root": "/volume/data"}, "3.11", "/volume/data"),
        ({"far_root": "vol/data"}, "3.11", "vol/data"),
        ({"buckets": {"/root": {"bucket": "b"}}}, "3.11", "/root"),
    ],
)
def test_an_image_or_a_mount_that_cannot_work_is_named(change: dict[str, Any], python: str, named: str) -> None:
    (line,) = refused(settings(**change), [], python)
    assert named in line


@pytest.mark.parametrize("env", ["modal", "modal_smoke"])
def test_the_machines_of_conf_are_not_refused(env: str) -> None:
    conf = yaml.safe_load((REPOSITORY / "conf" / env / "runner.yml").read_text())
    chosen = RemoteSettings.model_validate({key: value for key, value in conf.items() if key != "type"})
    machines = [chosen.resources(node, {tag}) for tag in chosen.tags for node in ("any", *chosen.nodes)]
    assert refused(chosen, [machine for machine in machines if machine is not None], python_minor()) == []


def test_modal_says_no_to_the_same_machines(plane: Any) -> None:
    """The rules of its documentation that the client does not know hold on the wire: nothing here invents them."""
    for change in ({"timeout_s": 108_000}, {"gpu": ["A100-60GB"]}):
        with pytest.raises(RemoteError, match=r"86400|A100-60GB"):
            ModalBackend(settings(), REPOSITORY).start(request(REPOSITORY, "train"), Resources.model_validate(change))


def test_a_secret_that_is_missing_or_lacks_a_key_is_named(plane: Any) -> None:
    wanted = {"secrets": [{"name": "aws", "keys": ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"]}]}
    backend = ModalBackend(settings(**wanted), REPOSITORY)
    (missing,) = backend.problems([])
    assert "aws" in missing
    plane.seed_secret("aws", AWS_ACCESS_KEY_ID=PLANTED)
    (lacking,) = ModalBackend(settings(**wanted), REPOSITORY).problems([])
    assert "AWS_SECRET_ACCESS_KEY" in lacking
    assert PLANTED not in missing + lacking
    plane.seed_secret("aws", AWS_ACCESS_KEY_ID=PLANTED)
    bucket = settings(buckets={"/corpus": {"bucket": "tusz", "secret": "of-the-bucket"}})
    (of_bucket,) = ModalBackend(bucket, REPOSITORY).problems([])
    assert "of-the-bucket" in of_bucket


def test_a_start_without_its_secret_says_which_and_starts_nothing(plane: Any) -> None:
    backend = ModalBackend(settings(secrets=[{"name": "aws", "keys": ["AWS_ACCESS_KEY_ID"]}]), REPOSITORY)
    with pytest.raises(RemoteError, match="aws") as refusal:
        backend.start(request(REPOSITORY, "train"), Resources())
    assert not isinstance(refusal.value, LostContact)
    assert not plane.fcalls


def test_all_that_is_missing_is_named_at_once(plane: Any) -> None:
    wanted = settings(secrets=[{"name": "one", "keys": ["A"]}, {"name": "two", "keys": ["B"]}])
    lines = ModalBackend(wanted, REPOSITORY).problems([Resources(timeout_s=100_000)])
    assert len(lines) == 3


def test_asking_for_problems_makes_nothing_over_there(plane: Any) -> None:
    backend = ModalBackend(settings(), REPOSITORY)
    assert backend.problems([Resources()]) == []
    assert backend.listing(f"{FAR_ROOT}/cache") == {}
    assert not plane.volumes
    assert not plane.apps


@pytest.mark.parametrize("token", [("ak-unknown", "as-unknown"), ("", "")])
def test_a_wrong_or_missing_token_is_named_by_its_public_half(
    plane: Any, monkeypatch: pytest.MonkeyPatch, token: tuple[str, str]
) -> None:
    monkeypatch.setenv("MODAL_TOKEN_ID", token[0])
    monkeypatch.setenv("MODAL_TOKEN_SECRET", token[1])
    backend = ModalBackend(settings(), REPOSITORY)
    (line,) = backend.problems([])
    assert token[0] in line
    assert "token" in line
    assert "as-unknown" not in line
    with pytest.raises(RemoteError, match="token") as refusal:
        backend.start(request(REPOSITORY, "train"), Resources())
    assert not isinstance(refusal.value, LostContact), "asking again is vain"


def test_a_provider_that_does_not_answer_is_lost_contact_and_one_that_comes_back_is_found(plane: Any, tmp_path: Path) -> None:
    backend = ModalBackend(settings(), REPOSITORY)
    file = tmp_path / "file"
    file.write_bytes(b"once")
    plane.faults["VolumePutFiles2"] = [Status.UNAVAILABLE] * 2
    backend.put(file, f"{FAR_ROOT}/file")
    assert backend.listing(FAR_ROOT) == {"file": 4}, "the client itself asks again"
    for rpc, ask in {
        "VolumeListFiles2": lambda: backend.listing(FAR_ROOT),
        "VolumeGetFile2": lambda: backend.get(f"{FAR_ROOT}/file", tmp_path / "home"),
        "QueueGet": lambda: backend.events("fc-1", request(REPOSITORY, "train"), 0, 0),
        "FunctionGetOutputs": lambda: backend.outcome("fc-1", request(REPOSITORY, "train")),
    }.items():
        plane.faults[rpc] = [Status.UNAVAILABLE] * 8
        with pytest.raises(LostContact, match="does not answer"):
            ask()
        plane.faults[rpc] = []
    backend.get(f"{FAR_ROOT}/file", tmp_path / "home")
    assert (tmp_path / "home").read_bytes() == b"once"


@pytest.mark.parametrize("status", [
    Status.UNAUTHENTICATED, Status.PERMISSION_DENIED, Status.NOT_FOUND, Status.RESOURCE_EXHAUSTED, Status.ABORTED,
    Status.FAILED_PRECONDITION, Status.INVALID_ARGUMENT, Status.DATA_LOSS, Status.UNIMPLEMENTED, Status.UNAVAILABLE,
])  # fmt: skip
def test_an_error_of_the_way_never_says_that_a_call_ended(plane: Any, status: Status) -> None:
    plane.faults["FunctionGetOutputs"] = [status] * 8
    with pytest.raises(RemoteError) as refusal:
        ModalBackend(settings(), REPOSITORY).outcome("fc-1", request(REPOSITORY, "train"))
    assert not isinstance(refusal.value, EndedWithoutAWord)


def test_the_word_to_stop_is_sent_again_and_only_long_after_the_grace_the_containers_are_killed(plane: Any) -> None:
    backend, asked = ModalBackend(settings(), REPOSITORY), request(REPOSITORY, "train", grace_s=0.05)
    call = backend.start(asked, settings().tags["gpu"])
    for _ in range(3):
        backend.stop(call, asked)
    assert not plane.all("FunctionCallCancel")
    time.sleep(10 * asked.grace_s)
    ModalBackend(settings(), REPOSITORY).stop(call, asked)
    assert plane.one("FunctionCallCancel").terminate_containers


def test_files_travel_whole_over_what_was_there(plane: Any, tmp_path: Path) -> None:
    backend = ModalBackend(settings(), REPOSITORY)
    here, home = tmp_path / "here", tmp_path / "deep" / "home"
    for content in (os.urandom(9_000_000) + bytes(1000), b"short", b""):
        here.write_bytes(content)
        backend.put(here, f"{FAR_ROOT}/folder/file.bin")
        backend.get(f"{FAR_ROOT}/folder/file.bin", home)
        assert home.read_bytes() == content
        assert backend.listing(FAR_ROOT) == {"folder/file.bin": len(content)}
    assert backend.listing(f"{FAR_ROOT}/folder") == {"file.bin": 0}
    assert [file.name for file in home.parent.iterdir()] == ["home"]


def test_a_file_of_the_first_kind_of_volume_travels_as_well(plane: Any, tmp_path: Path) -> None:
    backend = ModalBackend(settings(volumes={"/vol": {"name": "first", "version": 1}}), REPOSITORY)
    (tmp_path / "here").write_bytes(b"x" * 5000)
    backend.put(tmp_path / "here", f"{FAR_ROOT}/a/b")
    assert backend.listing(FAR_ROOT) == {"a/b": 5000}


def test_a_file_that_is_not_there_is_not_found_and_leaves_no_trace(plane: Any, tmp_path: Path) -> None:
    backend = ModalBackend(settings(), REPOSITORY)
    for volume_is_there in (False, True):
        if volume_is_there:
            plane.seed_volume(VOLUME)
        with pytest.raises(FileNotFoundError):
            backend.get(f"{FAR_ROOT}/nothing", tmp_path / "home")
    assert not list(tmp_path.glob("home*"))
    with pytest.raises(RemoteError, match="/elsewhere"):
        backend.get("/elsewhere/file", tmp_path / "home")


def test_a_file_that_breaks_off_leaves_the_one_that_was_here(plane: Any, tmp_path: Path) -> None:
    backend = ModalBackend(settings(), REPOSITORY)
    (tmp_path / "here").write_bytes(os.urandom(9_000_000))
    backend.put(tmp_path / "here", f"{FAR_ROOT}/file")
    (tmp_path / "home").write_bytes(b"older")
    plane.blocks = LosesBlocks(plane.blocks)
    with pytest.raises(RemoteError, match="404"):
        backend.get(f"{FAR_ROOT}/file", tmp_path / "home")
    assert (tmp_path / "home").read_bytes() == b"older"
    assert sorted(file.name for file in tmp_path.iterdir() if file.is_file()) == ["here", "home"]


class LosesBlocks(dict[str, bytes]):
    """What lies at the plane's addresses, but for the second block of a file."""

    def __contains__(self, key: object) -> bool:
        return super().__contains__(key) and key != "get-2"


def test_prices_come_from_the_provider_where_it_tells_them(plane: Any) -> None:
    assert ModalBackend(settings(), REPOSITORY).rates() is None, "the plane tells none"
    told = {"cpu_hour_cost": 0.047, "mem_gib_hour_cost": 0.008, "gpu_hour_cost_a100_80gb": 2.5, "gpu_hour_cost_h100": 3.95}
    rates = rates_from(told)
    assert rates is not None
    assert (rates.core, rates.memory_gib) == (0.047, 0.008)
    assert rates.gpu["A100-80GB"] == 2.5
    assert rates.gpu["H100!"] == rates.gpu["H100"] == 3.95
    assert "T4" not in rates.gpu
    assert rates_from({"something_else": 1.0}) is None


def event(number: int) -> Event:
    return Event(number, "log", 0.0, {"message": str(number)})


def numbers(events: list[Event]) -> list[int]:
    return [each.number for each in events]


def test_what_follows_a_gap_waits_until_the_file_has_come_as_far() -> None:
    heard = Heard()
    heard.add([event(1), event(2), event(5)])
    assert numbers(heard.ready(0)) == [1, 2]
    assert heard.ready(2) == []
    heard.read([event(1), event(2), event(3)])
    assert numbers(heard.ready(2)) == [3]
    heard.read([event(number) for number in (1, 2, 3, 4, 5, 6)])
    assert numbers(heard.ready(3)) == [4, 5, 6]


def test_a_number_that_the_file_left_out_as_well_is_not_waited_for() -> None:
    heard = Heard()
    heard.add([event(7)])
    heard.read([event(1), event(7)])
    assert numbers(heard.ready(1)) == [7]


def test_events_that_come_twice_or_in_another_order_are_told_once_in_order() -> None:
    heard = Heard()
    heard.add([event(3), event(1), event(2), event(1)])
    assert numbers(heard.ready(0)) == [1, 2, 3]
    heard.add([event(2), event(4)])
    assert numbers(heard.ready(3)) == [4]


def test_a_line_that_was_cut_is_left_out() -> None:
    text = event(1).to_json() + "\n" + event(2).to_json()[:20]
    assert numbers(lines_of(text)) == [1]


def test_no_thread_is_left_behind_by_asking_how_a_call_ended(plane: Any) -> None:
    backend = ModalBackend(settings(), REPOSITORY)
    call = backend.start(request(REPOSITORY, "train"), settings().tags["gpu"])
    backend.outcome(call, request(REPOSITORY, "train"))
    before = threading.active_count()
    for _ in range(5):
        backend.outcome(call, request(REPOSITORY, "train"))
    assert threading.active_count() <= before
