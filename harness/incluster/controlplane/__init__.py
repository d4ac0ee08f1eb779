"""The control plane of the docker cluster: the Kubernetes API, and pods as containers of the engine."""
