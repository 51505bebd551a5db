"""The measuring client: sends what was planned and stamps what comes back. It knows endpoints, never engines."""
