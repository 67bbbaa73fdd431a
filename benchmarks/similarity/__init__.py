"""How well near-duplicates are found, and at what cost."""
