"""Datasets that Kedro lacks: a folder or bucket as a handle, arrays, pages, pictures."""

from __future__ import annotations

import base64
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from kedro.io import AbstractDataset, DatasetError
from kedro.io.core import get_protocol_and_path
from kedro_datasets._typing import HTMLPreview, ImagePreview, JSONPreview  # kedro-viz tells previews apart by this annotation
from kedro_datasets.json import JSONDataset
from kedro_datasets.pandas import CSVDataset, ParquetDataset
from numpy.typing import NDArray

from seizure_pipeline.cache.parts import write_whole
from seizure_pipeline.corpora.folder import Folder
from seizure_pipeline.corpora.places import CREDENTIALS_FILE, S3_PROTOCOLS, check_url, protocol_of
from seizure_pipeline.previews import NOTHING_YET, described, description_of, extent_of, picture_of_nothing, table_of

SIGNING = frozenset(
    {"key", "secret", "token", "username", "password", "profile"}
    | {"aws_access_key_id", "aws_secret_access_key", "aws_session_token"}
)


class RecordsDataset(ParquetDataset):  # type: ignore[misc]
    """A table of records in Parquet; kedro-viz shows its first rows below its description."""

    def preview(self, nrows: int = 5) -> HTMLPreview:
        """The description and the first `nrows` rows."""
        return described(self.metadata, table_of(super().preview(nrows)) if self.exists() else NOTHING_YET)


class TableDataset(CSVDataset):  # type: ignore[misc]
    """A table of results in CSV; kedro-viz shows its first rows below its description."""

    def preview(self, nrows: int = 5) -> HTMLPreview:
        """The description and the first `nrows` rows."""
        return described(self.metadata, table_of(super().preview(nrows)) if self.exists() else NOTHING_YET)


class FactsDataset(JSONDataset):  # type: ignore[misc]
    """Facts by name in JSON; kedro-viz shows them after their description."""

    def preview(self) -> JSONPreview:
        """The facts, and the description as the first of them."""
        facts = json.loads(super().preview()) if self.exists() else {}
        named = facts if isinstance(facts, dict) else {"records": facts}
        return JSONPreview(json.dumps({"description": description_of(self.metadata), **named}))


class CorpusDataset(AbstractDataset[NoReturn, Folder]):
    """A folder, a bucket or a single file of recordings, given to nodes as a `Folder`; never written by Kedro.

    A place that is not named (`filepath: null`) is a Folder of an empty URL, which whoever needs it refuses.
    `anonymous` reads an open bucket of S3 unsigned (other places are read unsigned wherever they get no credentials), and
    refuses credentials beside it; `credentials` are fsspec's options for the place (for a bucket `key` and `secret`,
    `client_kwargs: {endpoint_url: ...}` for a server of one's own), and are shown nowhere."""

    is_handle = True

    def __init__(
        self,
        *,
        filepath: str | None,
        anonymous: bool = False,
        credentials: dict[str, Any] | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        check_url(filepath or "")  # before anything shows the URL
        self._filepath, self._anonymous, self._credentials = filepath or "", anonymous, credentials or {}
        self.metadata = metadata

    def load(self) -> Folder:
        """The handle; nothing is read yet. DatasetError for credentials where none are to be used."""
        given = sorted(_names(self._credentials) & SIGNING)
        if self._anonymous and given:
            raise DatasetError(
                f"{self._filepath}: anonymous is true (for a corpus corpus_anonymous in globals.yml) and {CREDENTIALS_FILE} "
                f"gives {', '.join(given)}; give one or the other"
            )
        unsigned = {"anon": True} if self._anonymous and protocol_of(self._filepath) in S3_PROTOCOLS else {}
        return Folder(self._filepath, {**self._credentials, **unsigned})

    def save(self, data: NoReturn) -> None:
        """Refused: a corpus is only read."""
        raise DatasetError(f"{self._filepath}: a corpus is only read, never written")

    def preview(self) -> HTMLPreview:
        """The description; a corpus may be far away, and is not listed for it."""
        return described(self.metadata)

    def _exists(self) -> bool:
        protocol, path = get_protocol_and_path(self._filepath)
        return protocol != "file" or Path(path).exists()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": self._filepath, "anonymous": self._anonymous}


def _names(options: Mapping[str, Any]) -> set[str]:
    """Names of all options that are set, nested ones included."""
    inner = (_names(value) for value in options.values() if isinstance(value, Mapping))
    return {name for name, value in options.items() if value}.union(*inner)


class FolderDataset(AbstractDataset[NoReturn, Path]):
    """A local folder that nodes fill and read by themselves, given to them as a Path."""

    is_handle = True

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        self._filepath = Path(filepath)
        self.metadata = metadata

    def load(self) -> Path:
        """The folder's path; who writes there makes the folder."""
        return self._filepath

    def save(self, data: NoReturn) -> None:
        """Refused: nodes write into the folder."""
        raise DatasetError(f"{self._filepath}: nodes write into this folder; it is not saved as a whole")

    def preview(self) -> HTMLPreview:
        """The description, and how much lies there."""
        return described(self.metadata, extent_of(self._filepath))

    def _exists(self) -> bool:
        return self._filepath.exists()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._filepath)}


class ArraysDataset(AbstractDataset[dict[str, NDArray[Any]], dict[str, NDArray[Any]]]):
    """Named arrays of numbers and text in one compressed NPZ, which `np.load` opens without pickle."""

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        self._filepath = Path(filepath)
        self.metadata = metadata

    def load(self) -> dict[str, NDArray[Any]]:
        """All arrays by name; ValueError for a file whose arrays hold objects."""
        with np.load(self._filepath, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}

    def save(self, data: dict[str, NDArray[Any]]) -> None:
        """Write the file whole, in the place of an earlier one; ValueError for an array of objects."""
        self._filepath.parent.mkdir(parents=True, exist_ok=True)
        part = self._filepath.with_name(f".{self._filepath.name}.{os.getpid()}.part")
        try:
            with open(part, "wb") as file:
                np.savez_compressed(file, allow_pickle=False, **data)
                file.flush()
                os.fsync(file.fileno())
            part.replace(self._filepath)
        finally:
            part.unlink(missing_ok=True)

    def preview(self) -> HTMLPreview:
        """The description, and the arrays with their types and shapes."""
        if not self.exists():
            return described(self.metadata, NOTHING_YET)
        facts = [(name, str(array.dtype), " x ".join(map(str, array.shape))) for name, array in self.load().items()]
        return described(self.metadata, table_of({"columns": ["array", "type", "shape"], "data": facts}))

    def _exists(self) -> bool:
        return self._filepath.exists()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._filepath)}


class PageDataset(AbstractDataset[str, str]):
    """An HTML page, of which kedro-viz previews what lies between comments `preview` and `/preview`, below its description."""

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        self._filepath = Path(filepath)
        self.metadata = metadata

    def load(self) -> str:
        """The page."""
        return self._filepath.read_text(encoding="utf-8")

    def save(self, data: str) -> None:
        """Write the page whole, in the place of an earlier one."""
        self._filepath.parent.mkdir(parents=True, exist_ok=True)
        write_whole(self._filepath, data.encode())

    def preview(self) -> HTMLPreview:
        """The description and the marked parts."""
        marked = re.findall(r"<!--preview-->(.*?)<!--/preview-->", self.load() if self.exists() else "", flags=re.DOTALL)
        return described(self.metadata, *(marked or [NOTHING_YET]))

    def _exists(self) -> bool:
        return self._filepath.exists()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._filepath)}


class FiguresDataset(AbstractDataset[dict[str, Any], NoReturn]):
    """A folder of pictures: what a node returns, file name to matplotlib figure, and no other picture.

    kedro-datasets' own imports pyplot when the catalog is read (a quarter of a second of every run that draws nothing),
    and writes in place."""

    def __init__(self, *, filepath: str, dpi: int = 110, metadata: dict[str, Any] | None = None) -> None:
        self._filepath, self._dpi = Path(filepath), dpi
        self.metadata = metadata

    def load(self) -> NoReturn:
        """Refused: pictures are for looking at."""
        raise DatasetError(f"{self._filepath}: pictures are looked at, not loaded")

    def save(self, data: dict[str, Any]) -> None:
        """Write every figure whole under its name, then remove the pictures of earlier runs."""
        self._filepath.mkdir(parents=True, exist_ok=True)
        for name, figure in data.items():
            part = self._filepath / f".{name}.part"
            figure.savefig(part, dpi=self._dpi, format=Path(name).suffix.removeprefix("."))
            part.replace(self._filepath / name)
        for picture in self._filepath.glob("*.png"):
            if picture.name not in data:
                picture.unlink()

    def preview(self) -> ImagePreview:
        """The first picture, or one that says that there is none yet."""
        first = min(self._filepath.glob("*.png"), default=None)
        return ImagePreview(base64.b64encode(first.read_bytes() if first else picture_of_nothing()).decode())

    def _exists(self) -> bool:
        return self._filepath.exists()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._filepath), "dpi": self._dpi}
