"""Window index -> an index for each experiment -> trainings and evaluations as processes -> their comparison."""

from __future__ import annotations

from kedro.pipeline import Node, Pipeline

from seizure_pipeline.pipelines.experiments.nodes import compare_experiments, run_experiments, share_index


def create_pipeline() -> Pipeline:
    """Build the experiments pipeline."""
    return Pipeline(
        [
            Node(share_index, ["window_index", "params:experiments"], "experiment_indexes", name="share_index"),
            Node(
                run_experiments,
                ["experiment_indexes", "experiments_folder", "params:experiments"],
                "experiment_results",
                name="run_experiments",
            ),
            Node(
                compare_experiments,
                "experiment_results",
                ["experiment_table", "experiments_picture"],
                name="compare_experiments",
            ),
        ]
    )
