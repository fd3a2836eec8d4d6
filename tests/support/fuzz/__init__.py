"""Structured fuzzing: files of strangers that hypothesis makes up, each kind read in a child process with a clock."""
