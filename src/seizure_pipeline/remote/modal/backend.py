"""Nodes in Modal's containers: an app for each machine and state of the code, files on volumes, events through a queue."""

from __future__ import annotations

import logging
import os
import queue
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

import modal
from modal.types import FileEntryType

from seizure_pipeline.remote.backend import EndedWithoutAWord, LostContact, RemoteError
from seizure_pipeline.remote.far.call_folder import EVENTS, OUTCOME
from seizure_pipeline.remote.modal.app import app_of, name_of, queue_name, secret_of, volumes_of
from seizure_pipeline.remote.modal.errors import describe, is_result, plainly, translated
from seizure_pipeline.remote.modal.events import LOOK_S, Heard, lines_of
from seizure_pipeline.remote.modal.function import CALL_ID, events_of, first_word_of, word_for
from seizure_pipeline.remote.modal.image import PROJECT, not_a_checkout, python_minor, shipped
from seizure_pipeline.remote.modal.limits import GPUS, refused, volume_path
from seizure_pipeline.remote.records import Event, Outcome, Request
from seizure_pipeline.remote.settings import Rates, RemoteSettings, Resources

log = logging.getLogger(__name__)
MANY = 1000
DEAF = 10  # times its grace after which a node does not heed any more
QUIET_S = 2.0  # after which there are no more logs for now
CORE, MEMORY = "cpu_hour_cost", "mem_gib_hour_cost"


class ModalBackend:
    """Starts nodes in Modal's containers, hears from them, and moves files to and from its volumes."""

    name = "modal"

    def __init__(self, settings: RemoteSettings, project: Path) -> None:
        self._settings, self._project = settings, project
        self._heard: dict[str, Heard] = {}
        self._deployed: dict[str, modal.Function[..., str, str]] = {}

    def problems(self, machines: Sequence[Resources]) -> list[str]:
        """What Modal would refuse or lacks, a line each, that it does not answer included; asks, changes nothing."""
        return [*not_a_checkout(self._project), *refused(self._settings, machines, python_minor()), *self._missing()]

    def rates(self) -> Rates | None:
        """The workspace's prices of now; None where Modal does not tell them."""
        with plainly("asking for prices"):
            told = dict(modal.Workspace.from_context().billing.rates())
        return rates_from({name: float(price) for name, price in told.items()})

    def put(self, local: Path, far: str) -> None:
        """Copy a file to a volume, whole or not at all, over what is there."""
        volume, path = self._on_volume(far)
        with plainly(f"{local} to {far}"), volume.batch_upload(force=True) as batch:
            batch.put_file(local, f"/{path}")

    def put_new(self, local: Path, far: str) -> bool:
        """Copy a file to a volume unless there is one; whether it was copied."""
        volume, path = self._on_volume(far)
        try:
            with plainly(f"{local} to {far}"), volume.batch_upload() as batch:
                batch.put_file(local, f"/{path}")
        except FileExistsError:
            return False
        return True

    def get(self, far: str, local: Path) -> None:
        """Copy a file here, whole or not at all; FileNotFoundError where there is none."""
        volume, path = self._on_volume(far, create=False)
        local.parent.mkdir(parents=True, exist_ok=True)
        part = local.with_name(f"{local.name}.{os.getpid()}.part")
        try:
            with plainly(f"{far} to {local}"), part.open("wb") as file:
                file.writelines(_blocks(volume, path))
            os.replace(part, local)
        finally:
            part.unlink(missing_ok=True)

    def listing(self, far: str) -> dict[str, int]:
        """Files below a folder there: path relative to it -> bytes; empty where there is no folder."""
        volume, path = self._on_volume(far, create=False)
        with plainly(f"listing {far}"):
            try:
                entries = volume.listdir(f"/{path}", recursive=True)
            except (modal.exception.NotFoundError, FileNotFoundError):
                return {}
        files = {PurePosixPath(entry.path.lstrip("/")): entry.size for entry in entries if entry.type == FileEntryType.FILE}
        return {str(file.relative_to(path)): size for file, size in files.items() if file != path}

    def start(self, request: Request, machine: Resources) -> str:
        """Deploy the app for this call, start the node in it, and return the call's id.

        Started twice, since an answer was lost, the second waits until the first ended, and finds its outcome."""
        name = name_of(self._settings, request)
        with plainly(f"starting {request.node} in {name}"):
            if request.call not in self._deployed:
                self._deployed[request.call] = self._deploy(name, request.node, machine)
            volumes = [volume.name for volume in self._settings.volumes.values()]
            asked = (request.to_json(), queue_name(self._settings), volumes, PROJECT)
            with ThreadPoolExecutor(1) as pool:  # what it raises when it is full is no class of its own
                spawned = pool.submit(self._deployed[request.call].spawn, *asked)
            error = spawned.exception()
            if type(error) is Exception:
                raise LostContact(f"starting {request.node} in {name}: {error}")
            return str(spawned.result().object_id)

    def _deploy(self, name: str, node: str, machine: Resources) -> modal.Function[..., str, str]:
        log.info("%s goes to Modal as app %s; where its packages changed, their image is built first", node, name)
        with shipped(self._project) as files:
            app, function = app_of(name, self._settings, machine, self._project, files)
            self._queue().hydrate()
            app.deploy()
        return function

    def events(self, call_id: str, request: Request, after: int, wait_s: float) -> list[Event]:
        """Events with numbers beyond `after` in their order, as soon as there are any; after `wait_s` none.

        What the queue left out is read from the volume, and what follows a gap waits for that: no number is left out that is
        not lost for good."""
        heard = self._heard.setdefault(request.call, Heard())
        end_s = time.monotonic() + wait_s
        while True:
            heard.add(self._live(request, 0 if heard.is_quiet() else min(end_s - time.monotonic(), LOOK_S)))
            has_gap = not heard.ready(after) and heard.everything(after)
            if heard.is_quiet() or (has_gap and heard.is_due()):
                heard.read(self._written(request))
            if ready := heard.ready(after):
                return ready
            if time.monotonic() >= end_s:
                return self._last_events(request, after) if self._end(call_id, request) is not None else []

    def outcome(self, call_id: str, request: Request) -> Outcome | None:
        """How the call ended, None while it runs; EndedWithoutAWord where there will be none."""
        end = self._end(call_id, request)
        if end is None:
            return None
        if isinstance(end, str):
            return Outcome.from_json(end)
        text = self._text_of(request, OUTCOME)
        if text is None:
            raise EndedWithoutAWord(f"{request.node} ({call_id or request.call}) ended without an outcome: {describe(end)}")
        return Outcome.from_json(text)

    def stop(self, call_id: str, request: Request) -> None:
        """Ask the node to write a checkpoint and end; asking again sends the same word again.

        The word goes by the call's name, so that a call whose id is not known is stopped as well. Only where ten times its
        grace passed since the first word, so that nobody over there can be heeding it, Modal is told to kill the containers."""
        with plainly(f"stopping {request.call}"):
            line = self._queue()
            line.put("stop", block=False, partition=word_for(request.call))  # a full queue would have it wait for ever
            asked_s = float(line.get(block=False, partition=first_word_of(request.call)) or time.time())
            line.put(asked_s, block=False, partition=first_word_of(request.call))
            if time.time() - asked_s > DEAF * request.grace_s and (known := call_id or self.find(request)):
                modal.FunctionCall.from_id(known).cancel(terminate_containers=True)

    def find(self, request: Request) -> str | None:
        """The id of a call whose start lost its answer, as its first attempt wrote it down; None before that."""
        return self._text_of(request, CALL_ID) or None

    def give_back(self, request: Request) -> None:
        """Stop the app of a call that ended; where there is none, or it was stopped, nothing happens."""
        name = name_of(self._settings, request)
        self._deployed.pop(request.call, None)
        with plainly(f"stopping app {name}"):
            try:
                modal.App.lookup(name).stop()
            except modal.exception.NotFoundError:
                return

    def logs(self, call_id: str, request: Request, follow: bool) -> Iterator[str]:
        """What the container printed, a line at a time; with `follow` until the call ends."""
        rest = ""
        with plainly(f"logs of {request.call}"):
            for entry in self._call(call_id, request).logs.stream(timeout=None if follow else QUIET_S):
                *lines, rest = (rest + entry.message).split("\n")
                yield from lines
        if rest:
            yield rest

    def _queue(self) -> modal.Queue:
        return modal.Queue.from_name(queue_name(self._settings), create_if_missing=True)

    def _live(self, request: Request, wait_s: float) -> list[Event]:
        """What the queue holds now, or as soon as it holds anything."""
        with plainly(f"listening to {request.node}"):
            try:
                found = self._queue().get_many(
                    MANY, block=wait_s > 0, timeout=max(wait_s, 0) or None, partition=events_of(request.call)
                )
            except queue.Empty:
                return []
        return [event for line in found for event in lines_of(line)]

    def _last_events(self, request: Request, after: int) -> list[Event]:
        heard = self._heard[request.call]
        heard.add(self._live(request, 0))
        heard.read(self._written(request))
        return heard.everything(after)

    def _written(self, request: Request) -> list[Event]:
        return lines_of(self._text_of(request, EVENTS) or "")

    def _text_of(self, request: Request, name: str) -> str | None:
        """A file of the call's folder on the volume; None where there is none."""
        volume, path = self._on_volume(f"{request.folder}/{name}", create=False)
        with plainly(f"reading {path}"):
            try:
                return b"".join(_blocks(volume, path)).decode()
            except FileNotFoundError:
                return None

    def _call(self, call_id: str, request: Request) -> modal.FunctionCall[str]:
        if known := call_id or self.find(request):
            return modal.FunctionCall.from_id(known)
        raise RemoteError(f"{request.call}: its id is not known, and no attempt at it has begun and told it")

    def _end(self, call_id: str, request: Request) -> str | BaseException | None:
        """What the call returned or raised; None while it runs. It may raise any class, so that none is caught here."""
        with ThreadPoolExecutor(1) as pool:
            asked = pool.submit(self._call(call_id, request).get, timeout=0)
        error = asked.exception()
        if error is None:
            return str(asked.result())
        if isinstance(error, TimeoutError):
            return None
        if is_result(error):
            return error
        if isinstance(error, modal.exception.NotFoundError) and (text := self._text_of(request, OUTCOME)) is not None:
            return text  # of a call that ended so long ago that Modal forgot it
        raise translated(error, f"asking how {call_id or request.call} ended") from error

    def _on_volume(self, far: str, *, create: bool = True) -> tuple[modal.Volume, PurePosixPath]:
        mount = volume_path(self._settings, far)
        if mount is None:
            raise RemoteError(f"{far} lies on none of the volumes {', '.join(self._settings.volumes)} of runner.yml")
        return volumes_of(self._settings, create=create)[mount], PurePosixPath(far).relative_to(mount)

    def _missing(self) -> Iterator[str]:
        """Secrets that Modal does not keep or that lack a key, and a token that it does not take."""
        wanted = [(secret.name, secret.keys) for secret in self._settings.secrets]
        wanted += [(bucket.secret, ()) for bucket in self._settings.buckets.values() if bucket.secret]
        try:
            with plainly("asking Modal"):
                modal.Client.from_env().hello()
        except RemoteError as error:
            yield str(error)
            return
        for name, keys in wanted:
            try:
                with plainly(f"secret {name} with {', '.join(keys) or 'the credentials of a bucket'}"):
                    secret_of(name, keys).hydrate()
            except RemoteError as error:
                yield str(error)


def _blocks(volume: modal.Volume, path: PurePosixPath) -> Iterator[bytes]:
    """The bytes of a file; FileNotFoundError where there is no file, or no volume yet."""
    try:
        yield from volume.read_file(str(path))
    except modal.exception.NotFoundError as error:
        raise FileNotFoundError(str(path)) from error


def rates_from(told: Mapping[str, float]) -> Rates | None:
    """Prices an hour from the provider's table; None where it holds none under the names that are known."""
    if not {CORE, MEMORY} <= set(told):
        return None
    gpus = {name: told[key] for name in GPUS if (key := f"gpu_hour_cost_{name.rstrip('!+').lower().replace('-', '_')}") in told}
    return Rates(as_of=datetime.now(UTC).date().isoformat(), gpu=gpus, core=told[CORE], memory_gib=told[MEMORY])
