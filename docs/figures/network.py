"""Draw docs/network.png: the full network, each part with the shape that comes out of it and its parameters.

Shapes are those of a forward pass of one window of 60 s, caught by hooks: `python docs/figures/network.py`."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import matplotlib.pyplot as plt
import torch
from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch
from torch import Tensor, nn

from seizure_pipeline.model.detector import Detector
from seizure_pipeline.model.settings import SAMPLES_PER_TOKEN, ModelSettings
from seizure_pipeline.windows import RATE_HZ

WINDOW_S = 60
WIDTH, HEIGHT = 4.0, 0.86
COLOURS = {"shared": "#dfe9f5", "electrodes": "#e3f1df", "pairs": "#fbeadb", "out": "#f0e3f3"}


@dataclass(frozen=True)
class Box:
    """A part of the network: its module's name in Detector, its place, what it does."""

    module: str
    x: float
    y: float
    colour: str
    title: str
    note: str


def boxes(settings: ModelSettings) -> list[Box]:
    """The parts from input to output; `note` is read from the settings."""
    electrode, pair = settings.electrode_stream, settings.pair_stream
    dilations = ", ".join(map(str, settings.tcn_dilations))
    mamba = "{0.layers} bidirectional Mamba-2 layers, {0.state} states"
    return [
        Box("encoder.blocks", 2.2, 7.6, "shared", "dilated convolutions", f"4 residual blocks, dilations {dilations}"),
        Box("encoder.tokens", 2.2, 6.4, "shared", "tokens", f"{SAMPLES_PER_TOKEN} samples become one"),
        Box("to_electrodes", 2.2, 5.2, "shared", "a vector for each electrode", "one linear layer"),
        Box("electrode_stream", 0.0, 3.6, "electrodes", "electrode stream", mamba.format(electrode)),
        Box("pair_stream.scan", 4.4, 4.0, "pairs", "pair stream", f"similarity; {mamba.format(pair)}"),
        Box(
            "pair_stream",
            4.4,
            2.8,
            "pairs",
            "a graph for each token",
            f"the {settings.graph_neighbours} strongest edges of each",
        ),
        Box(
            "graph",
            2.2,
            1.4,
            "out",
            "graph convolution",
            f"{settings.positions} Laplacian positions; {settings.graph_layers} layers",
        ),
        Box("head", 2.2, 0.2, "out", "logit of “ictal”", f"{settings.head_features} features over all electrodes"),
    ]


def shapes(model: Detector, window_BCT: Tensor, names: list[str]) -> dict[str, tuple[int, ...]]:
    """Shapes of what modules of these names gave in a forward pass."""
    found: dict[str, tuple[int, ...]] = {}

    def kept(name: str) -> None:
        def hook(_: nn.Module, __: tuple[Tensor, ...], output: Tensor) -> None:
            found[name] = tuple(output.shape)

        model.get_submodule(name).register_forward_hook(hook)

    for name in names:
        kept(name)
    with torch.inference_mode():
        model(window_BCT)
    return found


def draw_box(axes: Axes, box: Box, shape: tuple[int, ...], parameters: int) -> None:
    """A box with its title, what it does, and what comes out."""
    axes.add_patch(
        FancyBboxPatch(
            (box.x, box.y), WIDTH, HEIGHT, boxstyle="round,pad=0.06", facecolor=COLOURS[box.colour], edgecolor="#555"
        )
    )
    middle = box.x + WIDTH / 2
    axes.text(middle, box.y + 0.70, box.title, ha="center", va="center", fontsize=11, weight="bold")
    axes.text(middle, box.y + 0.41, box.note, ha="center", va="center", fontsize=8.5)
    size = f"{parameters:,} parameters" if parameters else "no parameter"
    out = " × ".join(f"{length:,}" for length in shape)
    axes.text(
        middle, box.y + 0.12, f"{out}    {size}", ha="center", va="center", fontsize=8.5, color="#333", family="monospace"
    )


def arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    """An arrow between two boxes."""
    axes.annotate("", xy=end, xytext=start, arrowprops={"arrowstyle": "-|>", "color": "#444", "shrinkA": 4, "shrinkB": 5})


def draw(path: Path) -> None:
    """Run the full network once and draw it."""
    settings = ModelSettings()
    model = Detector(settings).eval()
    window_BCT = torch.randn(1, settings.electrodes, WINDOW_S * RATE_HZ)
    parts = boxes(settings)
    found = shapes(model, window_BCT, [box.module for box in parts])
    figure, axes = plt.subplots(figsize=(8.6, 9.6))
    counts = {box.module: sum(p.numel() for p in model.get_submodule(box.module).parameters()) for box in parts}
    counts["pair_stream"] -= counts["pair_stream.scan"]
    for box in parts:
        draw_box(axes, box, found[box.module], counts[box.module])
    places = {box.module: (box.x + WIDTH / 2, box.y) for box in parts}
    flow = ["encoder.blocks", "encoder.tokens", "to_electrodes"], ["to_electrodes", "electrode_stream", "graph", "head"]
    for way in (*flow, ["to_electrodes", "pair_stream.scan", "pair_stream", "graph"]):
        for one, other in pairwise(way):
            arrow(axes, places[one], (places[other][0], places[other][1] + HEIGHT))
    x, top = places["encoder.blocks"][0], 9.0
    shape = " × ".join(f"{length:,}" for length in window_BCT.shape)
    axes.text(x, top, f"a window of EEG, {WINDOW_S} s:  {shape}", ha="center", va="center", fontsize=11, family="monospace")
    arrow(axes, (x, top - 0.1), (x, places["encoder.blocks"][1] + HEIGHT))
    axes.set(xlim=(-0.2, 8.6), ylim=(0, 9.3))
    axes.axis("off")
    figure.savefig(path, dpi=110, bbox_inches="tight")


if __name__ == "__main__":
    draw(Path(__file__).parent.parent / "network.png")
