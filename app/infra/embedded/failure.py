"""Why there is no embedded server."""


class EmbeddedError(Exception):
    """A server cannot be had or started. The message is one sentence that says what to do."""
