"""Making weights: it imports augengine, never the reverse."""
