"""Names in runner.yml that nothing bears: a misspelt tag or node would change nothing, in silence."""

from __future__ import annotations

from collections.abc import Sequence

from kedro.pipeline.node import Node

from seizure_pipeline.configuration import nearest
from seizure_pipeline.remote.settings import RemoteSettings


def registered_nodes() -> list[Node]:
    """The nodes of all pipelines of the project, also of those that this command does not run; none without a project."""
    from kedro.framework.project import pipelines

    pipelines.set_requested(None)  # Kedro reads only those that the command names
    return [node for pipeline in pipelines.values() for node in pipeline.nodes]


def unknown(settings: RemoteSettings, nodes: Sequence[Node]) -> list[str]:
    """Tags and nodes of the settings that none of these nodes bears, with the name that is nearest; nothing of no nodes."""
    if not nodes:
        return []
    names = {str(node.name) for node in nodes}
    tags = {tag for node in nodes for tag in node.tags}
    by_name = {"nodes": settings.nodes, "kept": settings.kept, "expected_hours": settings.expected_hours}
    return [
        *(
            f"runner.yml: tags.{tag}: no node has this tag, so that all run here{nearest(tag, tags)}"
            for tag in settings.tags
            if tag not in tags
        ),
        *(
            f"runner.yml: {key} names {name}, which is no node of any pipeline{nearest(name, names)}"
            for key, named in by_name.items()
            for name in named
            if name not in names
        ),
    ]
