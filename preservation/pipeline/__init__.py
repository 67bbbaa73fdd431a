"""One function per step: joins the stages. The DAGs and the command line call nothing else.

Each step is imported when it is first asked for: a task process pays for its own step alone.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from preservation.pipeline.auditing import audit, verify
    from preservation.pipeline.capturing import capture_batch
    from preservation.pipeline.characterising import characterise_batch
    from preservation.pipeline.clustering import cluster, list_clusters
    from preservation.pipeline.deployment import initialise
    from preservation.pipeline.planning import open_batches, plan
    from preservation.pipeline.reconciling import reconcile, verdict
    from preservation.pipeline.returning import return_sheet
    from preservation.pipeline.running import run_until_idle
    from preservation.pipeline.sealing import seal_ready

__all__ = [
    "audit",
    "capture_batch",
    "characterise_batch",
    "cluster",
    "initialise",
    "list_clusters",
    "open_batches",
    "plan",
    "reconcile",
    "return_sheet",
    "run_until_idle",
    "seal_ready",
    "verdict",
    "verify",
]

_MODULES = {
    "audit": "auditing",
    "capture_batch": "capturing",
    "characterise_batch": "characterising",
    "cluster": "clustering",
    "initialise": "deployment",
    "list_clusters": "clustering",
    "open_batches": "planning",
    "plan": "planning",
    "reconcile": "reconciling",
    "return_sheet": "returning",
    "run_until_idle": "running",
    "seal_ready": "sealing",
    "verdict": "reconciling",
    "verify": "auditing",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
