"""What is deployed to Modal is what conf says, in an image that outlives a change of code; credentials stay here."""

from __future__ import annotations

import hashlib
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from modal_plane import REPOSITORY, plane, project_copy, request, settings
from modal_proto import api_pb2

from seizure_pipeline.remote.context import source_fingerprint
from seizure_pipeline.remote.modal.app import name_of
from seizure_pipeline.remote.modal.backend import ModalBackend
from seizure_pipeline.remote.modal.image import PROJECT, STAYS_HERE, Packages, python_minor, shipped, travelling
from seizure_pipeline.remote.settings import RemoteSettings

__all__ = ["plane"]
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")  # of the plane
CUDA = "nvidia/cuda:12.8.1-cudnn-devel-ubuntu22.04"
PLANTED = "planted-secret-9f8e7d"
FULL = {
    "backend": "modal",
    "app": "seizures",
    "far_root": "/vol/data",
    "tags": {
        "gpu": {
            "gpu": ["A100-80GB", "H100"],
            "gpu_count": 2,
            "cpu": 24,
            "memory_mib": 98304,
            "disk_mib": 600_000,
            "timeout_s": 86_400,
            "startup_timeout_s": 900,
            "retries": {"count": 7, "delay_s": 5, "backoff": 3, "longest_delay_s": 45},
            "region": ["us-east", "us-west"],
        }
    },
    "volumes": {"/vol": {"name": "data"}, "/old": {"name": "archive", "version": 1}},
    "buckets": {
        "/corpus": {
            "bucket": "tusz",
            "prefix": "v2.0.3/edf",
            "secret": "aws",
            "endpoint_url": "https://s3.eu-west-1.amazonaws.com",
        }
    },
    "secrets": [{"name": "aws", "keys": ["AWS_ACCESS_KEY_ID"]}],
    "image": {"cuda": CUDA, "apt": ["git", "build-essential"], "kernel": True},
}


def started(plane: Any, conf: dict[str, Any], project: Path = REPOSITORY) -> tuple[RemoteSettings, Any]:
    """Start a node by these settings; returns them and the function that Modal was asked to make."""
    chosen = RemoteSettings.model_validate(conf)
    ModalBackend(chosen, project).start(request(project, "train"), chosen.tags["gpu"])
    return chosen, plane.all("FunctionCreate")[-1]


def commands(plane: Any) -> list[str]:
    """What the image is built with, layer by layer."""
    return [line for image in plane.images.values() for line in image.dockerfile_commands]


def test_the_function_that_is_made_is_the_one_of_conf(plane: Any) -> None:
    plane.seed_secret("aws", AWS_ACCESS_KEY_ID="x")
    conf, made = started(plane, FULL)
    machine = conf.tags["gpu"]
    ranked = [each.function for each in made.function_data.ranked_functions]
    gpus = [(each.resources.gpu_config.gpu_type, each.resources.gpu_config.count) for each in ranked]
    assert gpus == [("A100-80GB", 2), ("H100", 2)]
    for each in ranked:
        assert each.resources.milli_cpu == machine.cpu * 1000
        assert each.resources.memory_mb == machine.memory_mib
        assert each.resources.ephemeral_disk_mb == machine.disk_mib
        assert tuple(each.scheduler_placement.regions) == machine.region
        assert not each.scheduler_placement.nonpreemptible
    one = plane.functions[next(iter(plane.functions))]["def"]
    assert (one.timeout_secs, one.startup_timeout_secs) == (machine.timeout_s, machine.startup_timeout_s)
    policy = one.retry_policy
    assert (policy.retries, policy.initial_delay_ms, policy.backoff_coefficient, policy.max_delay_ms) == (7, 5000, 3, 45_000)
    assert one.single_use_containers
    assert {plane.volumes[mount.volume_id]["name"]: mount.mount_path for mount in one.volume_mounts} == {
        "data": "/vol",
        "archive": "/old",
    }
    assert [plane.volumes[mount.volume_id]["version"] for mount in one.volume_mounts] == [2, 1]
    (bucket,) = one.cloud_bucket_mounts
    assert (bucket.bucket_name, bucket.key_prefix, bucket.mount_path) == ("tusz", "v2.0.3/edf/", "/corpus")
    assert bucket.read_only
    assert bucket.bucket_endpoint_url == "https://s3.eu-west-1.amazonaws.com"
    assert bucket.credentials_secret_id in one.secret_ids
    assert plane.apps[one_app(plane)]["name"] == "seizures-call-train"
    assert one.autoscaler_settings.max_containers == 1
    assert plane.all("SecretGetOrCreate")[0].required_keys == ["AWS_ACCESS_KEY_ID"]


def one_app(plane: Any) -> str:
    (app,) = plane.apps
    return str(app)


def test_the_image_has_this_python_torch_first_and_the_pins_and_a_kernel_built_against_them(plane: Any) -> None:
    plane.seed_secret("aws", AWS_ACCESS_KEY_ID="x")
    started(plane, FULL)
    lines = commands(plane)
    assert lines[0] == f"FROM {CUDA}"
    mounts = [call.deployment_name for call in plane.all("MountGetOrCreate") if call.deployment_name]
    assert [name for name in mounts if name.startswith("python-build-standalone") and f".{python_minor()}." in name]
    installs = [line for line in lines if "pip install" in line]
    assert installs[0].split("pip install ")[1] == Packages.of(REPOSITORY).torch
    pins = set((REPOSITORY / "requirements" / "constraints.txt").read_text().split())
    asked = {word for word in installs[1].split() if "==" in word}
    assert asked <= pins
    assert "kedro==1.7.0" in asked
    assert not {word.partition("==")[0] for word in asked} & STAYS_HERE
    extra = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["optional-dependencies"]["gpu"]
    assert {word for word in installs[-1].split() if "==" in word} == {line.partition(";")[0] for line in extra}
    assert {"CC=gcc", "CXX=g++"} <= set(installs[-1].split()), "the Python that Modal adds names clang, which is not there"
    assert "--no-build-isolation" in installs[-1]
    assert next(index for index, line in enumerate(lines) if "apt-get install" in line) < lines.index(installs[0])
    assert "build-essential git" in "".join(lines)


def test_without_cuda_the_image_is_a_slim_one_without_a_kernel(plane: Any) -> None:
    started(plane, settings().model_dump())
    lines = commands(plane)
    assert lines[0].startswith(f"FROM python:{python_minor()}")
    assert "mamba" not in "".join(lines)


def test_a_change_of_code_ships_other_files_in_the_same_image_and_a_change_of_a_pin_makes_another(
    plane: Any, tmp_path: Path
) -> None:
    project = project_copy(tmp_path / "project")
    started(plane, settings().model_dump(), project)
    layers, before = list(plane.images), shipped_files(plane)
    (project / "src" / "seizure_pipeline" / "fresh.py").write_text("VALUE = 1\n")
    started(plane, settings().model_dump(), project)
    assert list(plane.images) == layers
    assert set(shipped_files(plane)) - set(before) == {f"{PROJECT}/src/seizure_pipeline/fresh.py"}
    constraints = project / "requirements" / "constraints.txt"
    constraints.write_text(constraints.read_text().replace("scipy==1.17.1", "scipy==1.17.0"))
    started(plane, settings().model_dump(), project)
    assert len(plane.images) == len(layers) + 2, "the layer of pins, and the one of packages"


def newest(plane: Any) -> Any:
    """The function that was made last, as it was asked for."""
    return plane.functions[list(plane.functions)[-1]]["def"]


def shipped_files(plane: Any) -> list[str]:
    """What the newest function's containers find at their start."""
    return [file.filename for mount in newest(plane).mount_ids for file in plane.mounts[mount]]


def test_no_app_is_deployed_over_another_and_none_is_left_once_its_call_ended(plane: Any) -> None:
    backend, calls = ModalBackend(settings(), REPOSITORY), [request(REPOSITORY, "train", call=name) for name in ("one", "two")]
    for call in calls:
        backend.start(call, settings().tags["gpu"])
    assert sorted(app["name"] for app in plane.apps.values()) == ["seizure-pipeline-one", "seizure-pipeline-two"]
    stopped = api_pb2.APP_STATE_STOPPED
    for count, call in enumerate(calls, 1):
        for _ in range(2):
            backend.give_back(call)
        assert [app["state"] for app in plane.apps.values()].count(stopped) == count
    long = request(REPOSITORY, "train", call="list_recordings_now-20260102-030405-abcd")
    assert name_of(settings(app="a" * 60), long) == f"{'a' * 23}-{long.call}"


@pytest.mark.parametrize("env", ["modal", "modal_smoke"])
def test_the_compiler_of_the_image_is_of_the_cuda_that_torch_is_built_with(env: str) -> None:
    """Measured: the metadata of its wheel for Linux ask for cuda-toolkit 13.0.3."""
    cuda_of_torch = {"torch==2.13.0": "13.0"}
    runner = yaml.safe_load((REPOSITORY / "conf" / env / "runner.yml").read_text())
    wanted = cuda_of_torch[Packages.of(REPOSITORY).torch]
    assert re.fullmatch(rf"nvidia/cuda:{wanted}\.\d+-devel-ubuntu24\.04", runner["image"]["cuda"])


def test_credentials_and_conf_local_never_leave(plane: Any, tmp_path: Path) -> None:
    project = project_copy(tmp_path / "project")
    places = ["local/parameters.yml", "modal/credentials.yml", "base/credentials/aws.yml", "smoke/my_credentials_aws.yaml"]
    for place in places:
        (project / "conf" / place).parent.mkdir(parents=True, exist_ok=True)
        (project / "conf" / place).write_text(f"corpus_credentials: {{secret: {PLANTED}}}\n")
    base = project / "conf" / "base" / "credentials.yml"
    base.write_text(base.read_text().replace("corpus_credentials: {}", f"corpus_credentials: {{key: {PLANTED}}}"))
    assert PLANTED in base.read_text()
    started(plane, settings().model_dump(), project)
    names = shipped_files(plane)
    assert f"{PROJECT}/conf/base/catalog.yml" in names
    assert [name for name in names if "credentials" in name or "/conf/local" in name] == [
        f"{PROJECT}/conf/base/credentials.yml"
    ]
    assert not [name for name, content in plane.files.items() if PLANTED.encode() in content]
    shipped_base = hashlib.sha256(
        b"copy_from_credentials: {}\ncopy_to_credentials: {}\ncorpus_credentials: {}\nown_recordings_credentials: {}\n"
    ).hexdigest()
    assert shipped_base in plane.files
    assert not [call for call in plane.calls if PLANTED.encode() in call.req.SerializeToString()]


def test_what_is_shipped_has_the_fingerprint_of_what_is_here(tmp_path: Path) -> None:
    project = project_copy(tmp_path / "project")
    (project / "conf" / "local").mkdir()
    (project / "conf" / "local" / "parameters.yml").write_text("training: {epochs: 7}\n")
    with shipped(project) as folder:
        assert source_fingerprint(folder) == source_fingerprint(project)
        assert len(list(travelling(project))) > 100


def test_a_gpu_alone_goes_as_one_and_none_as_none(plane: Any) -> None:
    conf = settings().model_dump()
    conf["tags"]["gpu"]["gpu"] = "H100"
    _, made = started(plane, conf)
    assert [each.function.resources.gpu_config.gpu_type for each in made.function_data.ranked_functions] in ([], ["H100"])
    gpu = newest(plane).resources.gpu_config
    assert (gpu.gpu_type, gpu.count) == ("H100", 1)
    started(plane, settings().model_dump())
    assert newest(plane).resources.gpu_config.count == 0
