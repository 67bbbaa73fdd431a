"""The values that everything else speaks of; no I/O, no clock."""
