"""Hands items over: a BagIt bag that proves itself without this software."""

from preservation.export.bag import BagWriter
from preservation.export.chain import ChainReader
from preservation.export.contents import Choice, choose
from preservation.export.evidence import Evidence, Facts
from preservation.export.holdings import Batch, Consents, Holdings
from preservation.export.printing import printer
from preservation.export.sharing import Asking, Standing, Withheld, refusal
from preservation.export.sinks import FolderSink, SealedTarSink, Sink, age_recipient
from preservation.export.words import LANGUAGES, words_of
from preservation.export.writing import BagJob

__all__ = [
    "LANGUAGES",
    "Asking",
    "BagJob",
    "BagWriter",
    "Batch",
    "ChainReader",
    "Choice",
    "Consents",
    "Evidence",
    "Facts",
    "FolderSink",
    "Holdings",
    "SealedTarSink",
    "Sink",
    "Standing",
    "Withheld",
    "age_recipient",
    "choose",
    "printer",
    "refusal",
    "words_of",
]
