"""Devices that train one model together, a process each: what one of them has of a batch, and what they tell each other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import timedelta
from typing import Any, TypeVar

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from seizure_pipeline.training.division import Share

Value = TypeVar("Value")
LONGEST_WAIT = timedelta(days=7)  # for the one that validates; a process that died is noticed by who started it
BACKENDS = {"cpu": "gloo", "cuda": "nccl"}


class Team:
    """One device alone: nothing is exchanged."""

    share = Share()

    @property
    def leads(self) -> bool:
        """Whether this process validates, writes and reports."""
        return self.share.rank == 0

    def wrap(self, model: nn.Module) -> Callable[[Tensor], Tensor]:
        """The network to train with."""
        return model

    def apart(self, network: Callable[[Tensor], Tensor]) -> AbstractContextManager[object]:
        """Within it a backward pass of `network` exchanges no gradients: others of the same update follow."""
        return nullcontext()

    def total(self, value: Tensor) -> Tensor:
        """The sum over all devices."""
        return value

    def told(self, find: Callable[[], Value]) -> Value:
        """What the leading process finds; the others wait for it."""
        return find()

    def each(self, found: Value) -> list[Value]:
        """What every process found, in the order of ranks."""
        return [found]

    def meet(self) -> None:
        """Wait until all have come so far."""

    @contextmanager
    def in_turn(self) -> Iterator[None]:
        """The leading process goes first, then the others; all leave it together."""
        yield

    def reseed(self, seed: int, step: int) -> None:
        """Make the random numbers of a step those of this device; of one alone they go on."""


ALONE = Team()


class Together(Team):
    """Rank `share.rank` of several; made in the process of each, which then belongs to the group.

    Gradients are averaged by DistributedDataParallel; what is on the host travels through a group of its own. Random numbers
    (dropout) are drawn anew for every step from seed, step and rank, so that nobody's need be saved."""

    def __init__(self, share: Share, device: str, meeting_place: str) -> None:
        self.share, self._device = share, device
        if device == "cuda":
            torch.cuda.set_device(share.rank)
        distributed.init_process_group(
            BACKENDS[device], init_method=meeting_place, rank=share.rank, world_size=share.ranks, timeout=LONGEST_WAIT
        )
        self._host = distributed.new_group(backend="gloo", timeout=LONGEST_WAIT)

    def wrap(self, model: nn.Module) -> Callable[[Tensor], Tensor]:
        """The network, whose backward pass averages gradients over all."""
        devices = [self.share.rank] if self._device == "cuda" else None
        return DistributedDataParallel(model, device_ids=devices)

    def apart(self, network: Callable[[Tensor], Tensor]) -> AbstractContextManager[object]:
        """Within it gradients are added up on this device alone."""
        if not isinstance(network, DistributedDataParallel):
            raise TypeError(f"{type(network).__name__} was not wrapped by the team")
        return network.no_sync()

    def total(self, value: Tensor) -> Tensor:
        """The sum over all devices, on each."""
        summed = value.clone()
        distributed.all_reduce(summed)
        return summed

    def told(self, find: Callable[[], Value]) -> Value:
        """What rank 0 finds, on each."""
        said: list[Any] = [find() if self.leads else None]
        distributed.broadcast_object_list(said, src=0, group=self._host)
        value: Value = said[0]
        return value

    def each(self, found: Value) -> list[Value]:
        """What every rank found, in their order."""
        said: list[Any] = [None] * self.share.ranks
        distributed.all_gather_object(said, found, group=self._host)
        return said

    def meet(self) -> None:
        """Wait until all have come so far."""
        distributed.barrier(group=self._host)

    @contextmanager
    def in_turn(self) -> Iterator[None]:
        """Rank 0 goes first, then the others; all leave it together."""
        if not self.leads:
            self.meet()
        yield
        if self.leads:
            self.meet()
        self.meet()

    def reseed(self, seed: int, step: int) -> None:
        """Random numbers of this rank at this step."""
        torch.manual_seed((seed * 1_000_003 + step) * 1_000_003 + self.share.rank)

    def part(self) -> None:
        """Leave the group, once all have come so far."""
        self.meet()
        distributed.destroy_process_group()
