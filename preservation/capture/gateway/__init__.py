"""The one way out: where it leads, what it carries, what it refuses."""
