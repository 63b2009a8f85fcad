"""What kedro-viz shows of a dataset: its line of description in the catalog (`metadata.description`), above its beginning.

kedro-viz shows descriptions nowhere by itself.
"""

from __future__ import annotations

import html
import io
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from kedro_datasets._typing import HTMLPreview  # kedro-viz tells previews apart by this annotation
from PIL import Image, ImageDraw

LONGEST_CELL = 40
SIGNIFICANT_DIGITS = 4
PANEL_WIDTH = 48  # characters: kedro-viz's panel breaks no line
MARKS = str.maketrans("_*`", "   ")
NOTHING = "nothing there yet"
NOTHING_YET = f"<p>{NOTHING}</p>"


def described(metadata: Mapping[str, Any] | None, *contents: str) -> HTMLPreview:
    """The description of a catalog entry's `metadata`, above contents in HTML.

    It has no Markdown in it, which kedro-viz would read, also where its marks are written as entities: they become spaces."""
    description = "<br>".join(html.escape(line) for line in textwrap.wrap(description_of(metadata), PANEL_WIDTH))
    whole = " ".join([f"<p>{description}</p>", *contents])
    return HTMLPreview(" ".join(whole.translate(MARKS).split()))


def description_of(metadata: Mapping[str, Any] | None) -> str:
    """The line of description; empty for a dataset that has none."""
    return str((metadata or {}).get("description", ""))


def table_of(beginning: Mapping[str, Any]) -> str:
    """A table in HTML of what pandas' `to_dict("split")` gives: floats with four digits, and long cells cut."""
    table = pd.DataFrame(beginning["data"], columns=beginning["columns"])
    return table.map(_short).to_html(index=False, border=0, na_rep="")


def _short(cell: Any) -> Any:
    if isinstance(cell, float):
        return "" if pd.isna(cell) else f"{cell:.{SIGNIFICANT_DIGITS}g}"
    text = str(cell)
    half = LONGEST_CELL // 2  # ids and paths differ at their ends
    return text if len(text) <= LONGEST_CELL else f"{text[: half - 1]}…{text[-half:]}"


def picture_of_nothing() -> bytes:
    """A PNG that says that there is nothing yet: kedro-viz takes no words in a picture's place, and logs an error for none."""
    picture, png = Image.new("L", (240, 40), "white"), io.BytesIO()
    ImageDraw.Draw(picture).text((120, 20), NOTHING, fill="dimgray", anchor="mm", font_size=18)
    picture.save(png, "PNG")
    return png.getvalue()


def extent_of(folder: Path) -> str:
    """How much lies in a folder, as a paragraph in HTML."""
    sizes = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
    return f"<p>{len(sizes):,} files, {sum(sizes) / 1e6:,.1f} MB</p>" if sizes else NOTHING_YET
