"""Shows what was captured once more: offline and unrewritten, from the capture alone."""

from preservation.replay.items import SealedItem, sealed_item
from preservation.replay.prints import Print, PrintAbsence, Prints
from preservation.replay.rebuilding import Rebuilt, rebuild
from preservation.replay.recordings import CONFIDENTIAL, take_recording
from preservation.replay.score import LiveViews, ReplayScore, score_replay
from preservation.replay.serving import Replay, opened
from preservation.replay.wacz import WrittenWacz, write_wacz

__all__ = [
    "CONFIDENTIAL",
    "LiveViews",
    "Print",
    "PrintAbsence",
    "Prints",
    "Rebuilt",
    "Replay",
    "ReplayScore",
    "SealedItem",
    "WrittenWacz",
    "opened",
    "rebuild",
    "score_replay",
    "sealed_item",
    "take_recording",
    "write_wacz",
]
