"""Where a node works over there, alone: looked at before it is sent, and given to one call at a time."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

from seizure_pipeline.remote.backend import RemoteError
from seizure_pipeline.remote.call.office import Office
from seizure_pipeline.remote.call.standing import how_to_come_back, settled
from seizure_pipeline.remote.call.turns import Turn, Turns
from seizure_pipeline.remote.journal import FOLDER, UNFINISHED, Call

log = logging.getLogger(__name__)


class Place:
    """The place of a node's results: two far processes there would overwrite each other's work."""

    def __init__(self, office: Office, node: str, results: str) -> None:
        self._office, self._node = office, node
        self.path = f"{office.settings.far_root}/{results}".rstrip("/")
        name = f"{node}-{hashlib.sha256(results.encode()).hexdigest()[:12]}"
        self._turns = Turns(office.backend, f"{office.settings.far_root}/{FOLDER}/turns/{name}")
        self._patience = office.patience()

    def look(self, calls: Sequence[Call]) -> int:
        """The number of the turn that was the last there; RemoteError, naming its call, where one may run.

        `calls` are those of this node and place that the journal knows; what another machine sent there, it knows after."""
        for call in calls:
            if call.request.far_root == self._office.settings.far_root and call.status in UNFINISHED:
                self._refuse_unless_ended(call)
        number, turn = self._patience.asking(self._turns.last)
        if turn is not None and turn.call.call not in {call.call for call in calls}:
            self._refuse_unless_ended(turn.call, f", sent by {turn.sender}")
        return number

    @contextmanager
    def given_to(self, call: Call, after: int) -> Iterator[Callable[[Call], None]]:
        """Have the place for a call that is being sent; where it surely was not started, the next may have it.

        What it yields is to be told of the call with its id, once it was started."""
        turn = self._patience.asking(partial(self._turns.take, call, self._office.journal.text(call), after))
        try:
            yield partial(self._confirm, turn)
        except BaseException:
            if self._office.journal.find(call.call).status not in UNFINISHED:
                self._leave(turn)
            raise

    def _confirm(self, turn: Turn, call: Call) -> None:
        try:
            self._turns.confirm(turn, self._office.journal.text(call))
        except RemoteError as error:
            log.warning("%s: other machines do not learn its id: %s", call.call, error)

    def _refuse_unless_ended(self, call: Call, by: str = "") -> None:
        ended = self._patience.asking(partial(settled, self._office.backend, call))
        if ended is not None:
            self._office.journal.write(ended)
            self._office.give_back(ended)
            return
        begun = call.call_id or self._patience.asking(partial(self._office.backend.find, call.request))
        if begun:
            call = replace(call, call_id=begun, status="running")
            self._office.journal.write(call)
        runs = "already runs" if begun else "may run already"
        raise RemoteError(f"node {self._node} {runs} over there{by}. {how_to_come_back(call)}")

    def _leave(self, turn: Turn) -> None:
        try:
            self._turns.end(turn)
        except RemoteError as error:
            log.warning("%s was not started, and its place is not given back: %s", turn.call.call, error)
