"""Generators on disk: their cards, their recipes, and where they are looked for."""
