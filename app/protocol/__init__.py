"""The wire, without I/O: frames, error and close codes, sequence rules. Imports nothing but leaves; never awaits."""
