"""Re-reads stored bytes, compares digests, and repairs from a second copy."""

from preservation.fixity.catalogue import LOG_SHARD, Catalogue
from preservation.fixity.checking import Checked, Checker, open_checker
from preservation.fixity.copying import copy_file
from preservation.fixity.files import Damage, Fault, NamedFile, Unfit, damaged, shard_of
from preservation.fixity.reading import Reader, check_file, reader_of
from preservation.fixity.schedule import SHARDS, period_of, turn_of
from preservation.fixity.second_copy import HeldBy, second_copy_of

__all__ = [
    "LOG_SHARD",
    "SHARDS",
    "Catalogue",
    "Checked",
    "Checker",
    "Damage",
    "Fault",
    "HeldBy",
    "NamedFile",
    "Reader",
    "Unfit",
    "check_file",
    "copy_file",
    "damaged",
    "open_checker",
    "period_of",
    "reader_of",
    "second_copy_of",
    "shard_of",
    "turn_of",
]
