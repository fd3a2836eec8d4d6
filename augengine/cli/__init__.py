"""The command line: each command reads its options, makes one call and prints what came of it."""
