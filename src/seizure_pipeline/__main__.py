"""Runs the installed package: `python -m seizure_pipeline COMMAND`, or the options of `kedro run` without a command."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from seizure_pipeline.commands.project import carried_configuration


def choose_log() -> None:
    """Where a folder has no conf/logging.yml, take the one that the package carries: Kedro's own writes a line per dataset."""
    carried = carried_configuration().get("logging.yml")
    if carried is not None and not Path("conf/logging.yml").exists():
        os.environ.setdefault("KEDRO_LOGGING_CONFIG", str(carried))  # noqa: TID251 (Kedro asks for it nowhere else)


def main() -> None:
    """Run a command of the project, by default `run`; the exit status is that command's."""
    choose_log()
    from kedro.framework.project import configure_project  # logs from its import on

    configure_project(Path(__file__).parent.name)
    from seizure_pipeline.cli import cli, run  # after the package is configured, as Kedro's own commands are

    names_command = len(sys.argv) > 1 and sys.argv[1] in {*cli.commands, "--help"}
    (cli if names_command else run)()


if __name__ == "__main__":
    main()
