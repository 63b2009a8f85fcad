"""Runs the installed package: `python -m seizure_pipeline COMMAND`, or the options of `kedro run` without a command."""

from __future__ import annotations

import sys
from pathlib import Path

from kedro.framework.project import configure_project


def main() -> None:
    """Run a command of the project, by default `run`; the exit status is that command's."""
    configure_project(Path(__file__).parent.name)
    from seizure_pipeline.cli import cli, run  # after the package is configured, as Kedro's own commands are

    names_command = len(sys.argv) > 1 and sys.argv[1] in {*cli.commands, "--help"}
    (cli if names_command else run)()


if __name__ == "__main__":
    main()
