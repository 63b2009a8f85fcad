"""The configured model on its device, before anything long is asked of it: scans against the law, a step timed.

The node tagged `gpu` makes the report; the other prints it and fails the run where a scan is wrong.
"""

from __future__ import annotations

from kedro.pipeline import Node, Pipeline

from seizure_pipeline.pipelines.kernel_check.nodes import check_kernels, refuse_wrong_kernel


def create_pipeline() -> Pipeline:
    """Build the kernel_check pipeline."""
    inputs = ["params:model", "params:training", "params:windowing"]
    return Pipeline(
        [
            Node(check_kernels, inputs, "kernel_report", name="check_kernels", tags="gpu"),
            Node(refuse_wrong_kernel, "kernel_report", None, name="refuse_wrong_kernel"),
        ]
    )
