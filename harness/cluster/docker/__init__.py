"""A cluster that the harness emulates with containers of the local engine, started by its own control plane."""
