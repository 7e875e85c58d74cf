"""The outside world: Postgres, Redis, files, mail, passwords. May import errors, ids, clock, settings, events."""
