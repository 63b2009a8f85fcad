"""Many steps of training at full size on the generated corpus: loss and gradient norm of each step, and what they say.

Three commands, since the machine with the GPU may have nothing but torch, numpy and pydantic:

    python benchmarks/stability.py prepare corpus.npz                      (after `make run`: 2 h of recordings with seizures)
    python benchmarks/stability.py train corpus.npz steps.csv --device cuda --steps 5000 --rate 1e-3 --batch 64
    python benchmarks/stability.py draw steps.png steps.csv [more.csv ...]

`train` ends with status 1 at the first loss or gradient that is not finite, or if the loss of the last steps is not below
the entropy of the share of ictal time. No value is clamped, no step left out; gradients are clipped to norm 1 as in training.
"""

from __future__ import annotations

import argparse
import csv
import math
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import astuple, dataclass, fields
from itertools import islice
from pathlib import Path
from typing import Self

import numpy as np
import torch
from torch import Tensor, nn

from seizure_pipeline.model.compiling import compiled
from seizure_pipeline.model.detector import Detector, count_parameters, parameter_groups
from seizure_pipeline.model.settings import SAMPLES_PER_TOKEN, ModelSettings
from seizure_pipeline.training.schedule import learning_rate

STEPS_PER_SD = 50  # of the prepared file: noise 45 dB below the EEG in a third of the cache's size
WARMUP_FRACTION, WEIGHT_DECAY, LARGEST_NORM = 0.05, 0.05, 1.0
LAST_STEPS = 100  # whose mean loss is judged
SAID_EVERY = 100


@dataclass(frozen=True, slots=True)
class Step:
    """One step of training; `norm` is that of the gradient before it is clipped."""

    step: int
    rate: float
    loss: float
    norm: float
    ms: float


@dataclass(frozen=True)
class Windows:
    """Recordings end to end on a device, (C, T) in 1 / STEPS_PER_SD standard deviations, with a label per token."""

    signal_CT: Tensor
    ictal_L: Tensor
    starts: Tensor  # tokens at which a window may start
    tokens: int

    @classmethod
    def load(cls, path: Path, tokens: int, device: str) -> Self:
        """What `prepare` wrote."""
        with np.load(path) as file:
            signal_CT, ictal_L, lengths = (torch.from_numpy(file[name]) for name in ("signal_CT", "ictal_L", "tokens"))
        ends = lengths.cumsum(0)
        spans = zip((ends - lengths).tolist(), (ends - tokens + 1).tolist(), strict=True)
        starts = torch.cat([torch.arange(first, max(first, last)) for first, last in spans])
        return cls(signal_CT.to(device), ictal_L.to(device), starts, tokens)

    def batches(self, size: int, seed: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Windows (B, C, T) and labels (B, L), drawn alike for the same seed."""
        generator = torch.Generator().manual_seed(seed)
        token_L = torch.arange(self.tokens, device=self.signal_CT.device)
        sample_T = torch.arange(self.tokens * SAMPLES_PER_TOKEN, device=self.signal_CT.device)
        while True:
            chosen = self.starts[torch.randint(self.starts.numel(), (size,), generator=generator)].to(self.signal_CT.device)
            window_CBT = self.signal_CT[:, chosen[:, None] * SAMPLES_PER_TOKEN + sample_T]
            yield window_CBT.transpose(0, 1) / STEPS_PER_SD, self.ictal_L[chosen[:, None] + token_L].float()


def prepare(arguments: argparse.Namespace) -> None:
    """Write recordings of split train with seizures, until there are enough hours, from the cache of `make run`."""
    import pandas as pd

    from seizure_pipeline.cache import open_row, rows_from_table
    from seizure_pipeline.training.table import lay_labels

    rows = rows_from_table(pd.read_parquet(arguments.data / "05_model_input" / "window_index.parquet"))
    signals, labels, hours = [], [], 0.0
    for row in (row for row in rows if row.split == "train" and row.accepted and row.seizures):
        cached = open_row(arguments.data / "05_model_input" / "cache", row)
        whole = row.layout.tokens - 1  # the last token may be padding
        scaled_CT = cached.signal[:, : whole * SAMPLES_PER_TOKEN] * np.float32(cached.step_sd * STEPS_PER_SD)
        signals.append(np.round(scaled_CT).astype(np.int16))
        labels.append(lay_labels([row.layout], [row.seizures])[:whole])
        hours += row.duration_s / 3600
        if hours >= arguments.hours:
            break
    tokens = np.array([label.size for label in labels])
    np.savez_compressed(arguments.file, signal_CT=np.concatenate(signals, 1), ictal_L=np.concatenate(labels), tokens=tokens)
    size_mib, share = arguments.file.stat().st_size / 2**20, np.concatenate(labels).mean()
    print(f"{arguments.file}: {tokens.size} recordings, {hours:.2f} h, {size_mib:.0f} MiB, {share:.3f} of the time ictal")


def train(arguments: argparse.Namespace) -> None:
    """Train, write each step, judge."""
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    windows = Windows.load(arguments.windows, arguments.tokens, arguments.device)
    share = windows.ictal_L.float().mean().item()
    entropy = -share * math.log(share) - (1 - share) * math.log(1 - share)
    torch.manual_seed(arguments.seed)
    model = Detector(_settings(arguments.preset), share).to(arguments.device).train()
    print(f"{_machine(arguments.device)}; {vars(arguments)}")
    print(f"{count_parameters(model)}; {share:.3f} of the time is ictal: entropy {entropy:.4f}", flush=True)
    steps: list[Step] = []
    with arguments.csv.open("w", buffering=1, newline="", encoding="utf-8") as stream:
        table = csv.writer(stream)
        table.writerow(field.name for field in fields(Step))
        for step in run(model, windows, arguments):
            steps.append(step)
            table.writerow(astuple(step))
            if not math.isfinite(step.loss) or not math.isfinite(step.norm):
                sys.exit(f"step {step.step}: loss {step.loss}, gradient norm {step.norm}; the rule is that both are finite")
            if (step.step + 1) % SAID_EVERY == 0:
                recent = steps[-SAID_EVERY:]
                norms = [each.norm for each in recent]
                print(
                    f"step {step.step + 1}: loss {statistics.fmean(each.loss for each in recent):.4f}, gradient norm median "
                    f"{statistics.median(norms):.3f}, largest {max(norms):.3f}",
                    flush=True,
                )
    judge(steps, entropy)


def run(model: Detector, windows: Windows, arguments: argparse.Namespace) -> Iterator[Step]:
    """Steps as in training: AdamW, warm-up and cosine, clipped gradients, bfloat16 by autocast where asked."""
    optimizer = torch.optim.AdamW(parameter_groups(model, WEIGHT_DECAY), lr=arguments.rate)
    in_bfloat16 = arguments.precision == "bfloat16"
    network = compiled(model, arguments.batch, deterministic=False) if arguments.compile else model
    batches = islice(windows.batches(arguments.batch, arguments.seed), arguments.steps)
    for number, (window_BCT, ictal_BL) in enumerate(batches):
        began_s = time.perf_counter()
        rate = learning_rate(number, arguments.steps, arguments.rate, WARMUP_FRACTION)
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(arguments.device, torch.bfloat16, enabled=in_bfloat16):
            logits_BL = network(window_BCT)
        loss = nn.functional.binary_cross_entropy_with_logits(logits_BL.float(), ictal_BL)
        loss.backward()
        norm = nn.utils.clip_grad_norm_(model.parameters(), LARGEST_NORM)
        values = torch.stack([loss.detach(), norm]).tolist()
        optimizer.step()
        yield Step(number, rate, *values, 1000 * (time.perf_counter() - began_s))


def judge(steps: list[Step], entropy: float) -> None:
    """Print the figures of the run; exit with status 1 if it has learnt less than the share of ictal time."""
    last = statistics.fmean(step.loss for step in steps[-LAST_STEPS:])
    norms = [step.norm for step in steps]
    clipped = statistics.fmean(norm > LARGEST_NORM for norm in norms)
    print(
        f"{len(steps)} steps, all finite: first loss {steps[0].loss:.4f} (entropy {entropy:.4f}), mean of the last "
        f"{min(LAST_STEPS, len(steps))} {last:.4f}\n"
        f"gradient norm median {statistics.median(norms):.3f}, largest {max(norms):.3f} at step {norms.index(max(norms))}, "
        f"over {LARGEST_NORM} in {clipped:.1%} of steps; "
        f"median step {statistics.median(step.ms for step in steps):.0f} ms"
    )
    if last >= entropy:
        sys.exit(f"the loss of the last steps is {last:.4f}; the rule is below the prior's entropy {entropy:.4f}")


def draw(arguments: argparse.Namespace) -> None:
    """Loss and gradient norm of each step, one colour per run."""
    from seizure_pipeline.figures.appearance import MODEL, OTHERS, blank_figure, tidy

    figure = blank_figure(9, 6.5)
    axes = figure.subplots(2, 1, sharex=True)
    for path, colour in zip(arguments.csvs, (MODEL, *OTHERS), strict=False):
        columns = np.genfromtxt(path, delimiter=",", names=True)
        for axis, name in zip(axes, ("loss", "norm"), strict=True):
            axis.plot(columns["step"], columns[name], color=colour, alpha=0.2, linewidth=0.6)
            width = min(LAST_STEPS, columns.size)
            smooth = np.convolve(columns[name], np.ones(width) / width, "valid")
            axis.plot(columns["step"][width - 1 :], smooth, color=colour, label=path.stem)
    for axis, name in zip(axes, ("loss", "gradient norm before clipping"), strict=True):
        axis.set_yscale("log")
        axis.set_ylabel(name)
        tidy(axis)
    axes[0].legend(frameon=False, title=f"mean of {LAST_STEPS} steps; faint: each step")
    axes[1].set_xlabel("step")
    figure.savefig(arguments.png)


def _settings(preset: str) -> ModelSettings:
    if preset == "full":
        return ModelSettings()
    import yaml

    text = (Path(__file__).parents[1] / "conf" / "base" / "parameters_training.yml").read_text(encoding="utf-8")
    return ModelSettings(**yaml.safe_load(text)["model"])


def _machine(device: str) -> str:
    return f"{torch.cuda.get_device_name() if device == 'cuda' else 'CPU'}, torch {torch.__version__}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)

    def command(run: Callable[[argparse.Namespace], None]) -> argparse.ArgumentParser:
        added = commands.add_parser(run.__name__, help=run.__doc__)
        added.set_defaults(run=run)
        return added

    preparing = command(prepare)
    preparing.add_argument("file", type=Path)
    preparing.add_argument("--data", type=Path, default=Path("data"))
    preparing.add_argument("--hours", type=float, default=2.0)
    training = command(train)
    training.add_argument("windows", type=Path)
    training.add_argument("csv", type=Path)
    training.add_argument("--preset", choices=["full", "base"], default="full")
    training.add_argument("--device", choices=["cpu", "cuda"], default="cuda")
    training.add_argument("--precision", choices=["bfloat16", "float32"], default="bfloat16")
    training.add_argument("--compile", action="store_true")
    training.add_argument("--steps", type=int, default=5000)
    training.add_argument("--rate", type=float, default=3e-4)
    training.add_argument("--batch", type=int, default=64)
    training.add_argument("--tokens", type=int, default=960)
    training.add_argument("--seed", type=int, default=42)
    drawing = command(draw)
    drawing.add_argument("png", type=Path)
    drawing.add_argument("csvs", type=Path, nargs="+")
    arguments = parser.parse_args()
    arguments.run(arguments)


if __name__ == "__main__":
    main()
