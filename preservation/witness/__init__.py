"""Witnesses (c2sp.org/tlog-witness): the program that cosigns checkpoints, and how one is asked."""

from preservation.witness.asking import cosigned_by, witness_key
from preservation.witness.memory import WitnessMemory
from preservation.witness.server import WitnessServer

__all__ = ["WitnessMemory", "WitnessServer", "cosigned_by", "witness_key"]
