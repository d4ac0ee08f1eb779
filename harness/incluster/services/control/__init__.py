"""The harness's own interface to the services: what the host seeds and reads, with a bearer token."""
