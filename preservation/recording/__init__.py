"""Recordings of the wire: TCP streams as they passed, and what they say once decrypted."""
