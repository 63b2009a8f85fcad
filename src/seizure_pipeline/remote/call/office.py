"""What a run that sends nodes elsewhere works with: settings, the way there, the journal, and how patient it is."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

from seizure_pipeline.remote.backend import Backend, RemoteError
from seizure_pipeline.remote.context import RunContext
from seizure_pipeline.remote.files.staging import Staging
from seizure_pipeline.remote.files.travel import Dataset, far_path
from seizure_pipeline.remote.journal import Call, Journal
from seizure_pipeline.remote.patience import Patience
from seizure_pipeline.remote.settings import RemoteSettings

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Office:
    """What all errands of a run share."""

    settings: RemoteSettings
    context: RunContext
    backend: Backend
    journal: Journal

    def staging(self, advice: str = "") -> Staging:
        """What moves files, patiently."""
        return Staging(self.backend, self.settings, self.context.data_root, self.patience(advice))

    def keep_there(self, name: str, file: Path) -> None:
        """Have a file of data_root, called `name`, at its place below far_root as well, as it is here."""
        there = far_path(file, self.settings, self.context.data_root)
        self.staging().carry([Dataset(name, "file", str(file), there, is_output=False)])

    def patience(self, advice: str = "") -> Patience:
        """How long a provider that does not answer is asked again."""
        return Patience(self.settings.patience_s, advice)

    def give_back(self, call: Call) -> None:
        """Take away what was set up for a call that ended; where that fails it is told, and nothing else suffers."""
        try:
            self.backend.give_back(call.request)
        except RemoteError as error:
            log.warning("%s ended, and what was set up for it stays at %s: %s", call.call, call.backend, error)
