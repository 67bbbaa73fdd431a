"""Compare what is sealed, and group it: edges, groups and families below `derived/`.

1. Plan: the first sealed batches that aren't covered, and what is new in them (`planning`).
2. Find the copies of new bitstreams among earlier anchors, partition by partition (`finding`).
3. Choose: what has no automatic copy before it is an anchor.
4. Find what new anchors share with earlier ones, partition by partition, and with each other.
5. Write edges, what was compared, and last, that these batches are covered (`committing`).
6. When all is covered, make groups and families anew of all edges and decisions (`settling`).

Steps 2 and 4 may run anywhere, at once and again; what they leave is taken up by `cluster`, which does
whatever of all this is missing. Nothing depends on how batches were spread over runs.
"""

from preservation.pipeline.clustering.rebuilding import cluster_anew
from preservation.pipeline.clustering.running import (
    choose_likeness_anchors,
    cluster,
    find_likeness_copies,
    find_likeness_parts,
    list_clusters,
    plan_likeness,
)

__all__ = [
    "choose_likeness_anchors",
    "cluster",
    "cluster_anew",
    "find_likeness_copies",
    "find_likeness_parts",
    "list_clusters",
    "plan_likeness",
]
