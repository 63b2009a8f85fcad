"""What `kedro run` adds to Kedro's own options: presets of parameters, and the runner of the environment."""

from __future__ import annotations

import inspect
from typing import Any

from kedro.utils import load_obj
from omegaconf import OmegaConf

from seizure_pipeline.commands.options import configuration_of, data_root_of, project_root
from seizure_pipeline.remote.settings import ONE_COMMAND_ONLY

RUNNER_MODULE = "kedro.runner"  # where Kedro looks for a runner that is named without its module


def with_preset(name: str, options: dict[str, Any]) -> dict[str, Any]:
    """The parameters of a preset, and over them those of the command."""
    from seizure_pipeline.experiments import merged, nested

    presets = configuration_of(options["env"], options["conf_source"], None)["parameters"]["experiments"]["presets"]
    if name not in presets:
        raise ValueError(f"--preset {name}: no such preset in experiments.presets; there are {', '.join(sorted(presets))}")
    return merged(nested(presets[name]), options["params"] or {})


def choose_runner(options: dict[str, Any]) -> None:
    """Take the runner of the environment unless another is named; one that sends nodes elsewhere is told which run it is."""
    from seizure_pipeline.remote.runner import RemoteRunner

    configuration = configuration_of(options["env"], options["conf_source"], options["params"])
    settings = dict(configuration["runner"])
    kind = settings.pop("type")
    runner = _runner(options["runner"] or kind)
    if runner is not _runner(kind):
        settings = {}
    given = options["runner_params"] or {}
    options["runner"] = f"{runner.__module__}.{runner.__qualname__}"
    options["runner_params"] = OmegaConf.to_container(OmegaConf.merge(settings, given))
    if issubclass(runner, RemoteRunner):
        told = {name: value for name, value in given.items() if name not in ONE_COMMAND_ONLY}
        options["runner_params"]["context"] = {**_context(options, configuration), "runner_params": told}
    elif vain := sorted(ONE_COMMAND_ONLY & given.keys()):
        named = f"--runner-params {', '.join(vain)}: {options['runner']}"
        raise ValueError(f"{named} sends nothing elsewhere; give --env isolated, modal or modal_smoke")
    _check_takes(runner, options["runner_params"])


def _runner(name: str) -> Any:
    try:
        return load_obj(name, RUNNER_MODULE)
    except (AttributeError, ImportError) as error:
        raise ValueError(f"no runner {name} (--runner, or type in runner.yml): {error}") from None


def _check_takes(runner: Any, given: dict[str, Any]) -> None:
    try:
        inspect.signature(runner).bind(**given)
    except TypeError as error:
        raise ValueError(f"{runner.__qualname__}, as runner.yml and --runner-params give it: {error}") from None


def _context(options: dict[str, Any], configuration: Any) -> dict[str, Any]:
    named = {name: options[name] for name in ("env", "pipelines", "params", "conf_source")}
    data_root = data_root_of(configuration, options["params"])
    return {**{name: value for name, value in named.items() if value}, "project": project_root(), "data_root": data_root}
