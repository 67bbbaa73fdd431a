"""The demonstration: a sample site on loopback, and one journey through the whole pipeline."""
