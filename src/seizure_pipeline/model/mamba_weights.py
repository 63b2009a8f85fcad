"""Weights of mamba-ssm's `Mamba2` block as weights of ours, and back: what the two have in common, and only that.

Names and shapes are the same (mamba-ssm 2.3: `mamba_ssm/modules/mamba2.py`). What the shapes do not tell are the options
that the block was made with; every option that changes the output is checked.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from seizure_pipeline.model.settings import StreamSettings
from seizure_pipeline.model.state_space import Mamba2

SIZES = {"d_model": "features", "d_state": "state", "headdim": "head_dim", "expand": "expand", "d_conv": "kernel"}
"""Options that are sizes, and their names in StreamSettings."""
DEFAULT_SIZES = {"d_state": 128, "headdim": 64, "expand": 2, "d_conv": 4}
RULES: dict[str, Any] = {
    "ngroups": 1,
    "D_has_hdim": False,
    "rmsnorm": True,
    "norm_before_gate": False,
    "dt_limit": (0.0, float("inf")),
    "bias": False,
    "conv_bias": True,
    "process_group": None,
}
"""Options with the one value that our block computes; all are mamba-ssm's defaults."""
WITHOUT_EFFECT = frozenset(
    {"conv_init", "A_init_range", "dt_min", "dt_max", "dt_init_floor", "chunk_size", "use_mem_eff_path", "layer_idx"}
    | {"sequence_parallel", "device", "dtype"}
)
"""Options that say how weights begin or where and how fast the block runs, not what it gives."""


class MambaWeightsError(ValueError):
    """Weights or options of mamba-ssm that our block cannot compute; the message names the option or weight and the rule."""


def from_mamba_ssm(weights: Mapping[str, Tensor], options: Mapping[str, Any]) -> Mamba2:
    """Our block with a copy of the weights (`state_dict`) of a mamba-ssm `Mamba2` that was made with the keywords `options`.

    Raises MambaWeightsError for an option with another value than ours, for one not known, and for weights whose names or
    shapes do not follow from the options."""
    layer = Mamba2(_sizes(options))
    wanted = {name: tuple(tensor.shape) for name, tensor in layer.state_dict().items()}
    found = {name: tuple(tensor.shape) for name, tensor in weights.items()}
    differing = [
        f"{name} is {found.get(name, 'missing')}, the rule is {wanted.get(name, 'that it is not there')}"
        for name in sorted(wanted.keys() | found.keys())
        if found.get(name) != wanted.get(name)
    ]
    if differing:
        raise MambaWeightsError(f"weights of a Mamba2 with {dict(options)}: {'; '.join(differing)}")
    layer.load_state_dict({name: tensor.clone() for name, tensor in weights.items()}, assign=True)
    return layer


def to_mamba_ssm(layer: Mamba2, settings: StreamSettings) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Weights and options of the mamba-ssm `Mamba2` that gives what `layer`, made with `settings`, gives."""
    options = {theirs: getattr(settings, ours) for theirs, ours in SIZES.items()}
    return {name: tensor.detach().clone() for name, tensor in layer.state_dict().items()}, options


def _sizes(options: Mapping[str, Any]) -> StreamSettings:
    unknown = sorted(options.keys() - SIZES.keys() - RULES.keys() - WITHOUT_EFFECT - {"d_ssm"})
    if unknown:
        raise MambaWeightsError(f"options {unknown} are none of mamba-ssm 2.3's Mamba2")
    if "d_model" not in options:
        raise MambaWeightsError("option d_model is missing: mamba-ssm has no default for it")
    for name, rule in RULES.items():
        if options.get(name, rule) != rule:
            raise MambaWeightsError(f"option {name} is {options[name]!r}, the rule is {rule!r}")
    sizes = {ours: ({**DEFAULT_SIZES, **options})[theirs] for theirs, ours in SIZES.items()}
    settings = StreamSettings(layers=1, **sizes)
    inner = settings.expand * settings.features
    if options.get("d_ssm") not in (None, inner):
        raise MambaWeightsError(f"option d_ssm is {options['d_ssm']}, the rule is all {inner} features: ours has no gated MLP")
    return settings
