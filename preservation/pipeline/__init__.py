"""One function per step: joins the stages. The DAGs and the command line call nothing else.

Each step is imported when it is first asked for: a task process pays for its own step alone.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from preservation.pipeline.archive import examine_place
    from preservation.pipeline.assessing import decide
    from preservation.pipeline.auditing import audit, audit_group, plan_audit
    from preservation.pipeline.capturing import capture_batch
    from preservation.pipeline.characterising import characterise_batch
    from preservation.pipeline.clustering import (
        choose_likeness_anchors,
        cluster,
        cluster_anew,
        find_likeness_copies,
        find_likeness_parts,
        list_clusters,
        plan_likeness,
    )
    from preservation.pipeline.comparing import similar
    from preservation.pipeline.deployment import initialise
    from preservation.pipeline.exhibiting import write_gallery
    from preservation.pipeline.exporting import ExportRequest, export_bag
    from preservation.pipeline.log_keys import prepare_next_key, rotate_log_key
    from preservation.pipeline.planning import open_batches, plan
    from preservation.pipeline.proving import prove_receipt
    from preservation.pipeline.reconciling import reconcile, verdict
    from preservation.pipeline.renewing import renew_timestamps
    from preservation.pipeline.repairing import repair
    from preservation.pipeline.replicating import replicate
    from preservation.pipeline.returning import return_sheet
    from preservation.pipeline.running import run_until_idle
    from preservation.pipeline.sealing import seal_ready
    from preservation.pipeline.sealing.restamping import stamp_pending
    from preservation.pipeline.showing import exhibited
    from preservation.pipeline.tabulating import export_clusters
    from preservation.pipeline.verifying import verify, verify_when_due

__all__ = [
    "ExportRequest",
    "audit",
    "audit_group",
    "capture_batch",
    "characterise_batch",
    "choose_likeness_anchors",
    "cluster",
    "cluster_anew",
    "decide",
    "examine_place",
    "exhibited",
    "export_bag",
    "export_clusters",
    "find_likeness_copies",
    "find_likeness_parts",
    "initialise",
    "list_clusters",
    "open_batches",
    "plan",
    "plan_audit",
    "plan_likeness",
    "prepare_next_key",
    "prove_receipt",
    "reconcile",
    "renew_timestamps",
    "repair",
    "replicate",
    "return_sheet",
    "rotate_log_key",
    "run_until_idle",
    "seal_ready",
    "similar",
    "stamp_pending",
    "verdict",
    "verify",
    "verify_when_due",
    "write_gallery",
]

_MODULES = {
    "ExportRequest": "exporting",
    "audit": "auditing",
    "audit_group": "auditing",
    "plan_audit": "auditing",
    "plan_likeness": "clustering",
    "capture_batch": "capturing",
    "characterise_batch": "characterising",
    "choose_likeness_anchors": "clustering",
    "cluster": "clustering",
    "cluster_anew": "clustering",
    "decide": "assessing",
    "examine_place": "archive",
    "exhibited": "showing",
    "export_bag": "exporting",
    "export_clusters": "tabulating",
    "initialise": "deployment",
    "find_likeness_copies": "clustering",
    "find_likeness_parts": "clustering",
    "list_clusters": "clustering",
    "open_batches": "planning",
    "plan": "planning",
    "prepare_next_key": "log_keys",
    "prove_receipt": "proving",
    "reconcile": "reconciling",
    "renew_timestamps": "renewing",
    "repair": "repairing",
    "replicate": "replicating",
    "return_sheet": "returning",
    "rotate_log_key": "log_keys",
    "run_until_idle": "running",
    "seal_ready": "sealing",
    "similar": "comparing",
    "stamp_pending": "sealing.restamping",
    "verdict": "reconciling",
    "verify": "verifying",
    "verify_when_due": "verifying",
    "write_gallery": "exhibiting",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
