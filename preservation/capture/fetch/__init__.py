"""Our own HTTP client, and the engine that captures files with it."""
