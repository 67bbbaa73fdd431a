"""One function per step: joins the stages. The DAGs and the command line call nothing else."""

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
