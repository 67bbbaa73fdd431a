"""Posts and their media, through programs that know the platforms."""
