"""The harness's own interface to the services, for the host, with a bearer token."""
