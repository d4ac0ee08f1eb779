"""The DAG as a graph: every task in a column behind those that it waits for."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from typing import Final

from harness.run.course import TaskCourse
from harness.run.results import TaskResult

MOST: Final = 60
"""Graphs of more tasks are unreadable; the table has them all."""

_BOX_WIDTH, _BOX_HEIGHT, _ACROSS, _DOWN = 190, 44, 46, 18


@dataclasses.dataclass(frozen=True)
class GraphNode:
    """A task as a box of the drawing."""

    task: TaskResult
    x: int
    y: int
    critical: bool


@dataclasses.dataclass(frozen=True)
class Graph:
    """The drawing in its own units; edges are paths of SVG, with whether both ends are on the critical path."""

    nodes: tuple[GraphNode, ...]
    edges: tuple[tuple[str, bool], ...]
    width: int
    height: int
    box: tuple[int, int] = (_BOX_WIDTH, _BOX_HEIGHT)


def lay_out(tasks: Sequence[TaskResult], course: Sequence[TaskCourse], critical: Sequence[str]) -> Graph | None:
    """Return the graph; ``None`` where it is not known what waited for what, or there are too many tasks."""
    upstream = {entry.task_id: entry.upstream for entry in course}
    shown = [task for task in tasks if task.task_id in upstream]
    if not shown or len(shown) > MOST:
        return None
    depths: dict[str, int] = {}
    for task in shown:
        _depth(task.task_id, upstream, depths, ())
    columns: dict[int, list[TaskResult]] = {}
    for task in shown:
        columns.setdefault(depths[task.task_id], []).append(task)
    tallest = max(len(column) for column in columns.values())
    nodes = {}
    for depth, column in columns.items():
        # columns are centred, so that a chain is a straight line
        top = (tallest - len(column)) * (_BOX_HEIGHT + _DOWN) // 2
        for index, task in enumerate(column):
            x, y = 2 + depth * (_BOX_WIDTH + _ACROSS), 2 + top + index * (_BOX_HEIGHT + _DOWN)
            nodes[task.task_id] = GraphNode(task, x, y, task.task_id in critical)
    steps = set(itertools.pairwise(critical))
    edges = [
        (_curve(nodes[name], node), (name, node.task.task_id) in steps)
        for node in nodes.values()
        for name in upstream[node.task.task_id]
        if name in nodes
    ]
    width = (max(columns) + 1) * (_BOX_WIDTH + _ACROSS) - _ACROSS + 4
    return Graph(tuple(nodes.values()), tuple(edges), width, tallest * (_BOX_HEIGHT + _DOWN) - _DOWN + 4)


def _depth(name: str, upstream: Mapping[str, Sequence[str]], known: dict[str, int], above: tuple[str, ...]) -> int:
    """Return the column of a task; a circle, which Airflow does not have, is cut where it closes."""
    if name not in known:
        parents = [parent for parent in upstream[name] if parent in upstream and parent not in (*above, name)]
        known[name] = max((_depth(parent, upstream, known, (*above, name)) + 1 for parent in parents), default=0)
    return known[name]


def _curve(source: GraphNode, target: GraphNode) -> str:
    x1, y1 = source.x + _BOX_WIDTH, source.y + _BOX_HEIGHT // 2
    x2, y2 = target.x, target.y + _BOX_HEIGHT // 2
    middle = (x1 + x2) // 2
    return f"M{x1} {y1}C{middle} {y1} {middle} {y2} {x2} {y2}"
