"""A cluster of real Kubernetes nodes in containers of the local engine, made by the program ``kind``."""
