"""Who writes in: visitors and their tokens. May import identity and everything below it."""
