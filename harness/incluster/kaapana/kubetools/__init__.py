"""Use of the node's resources, as the platform's scheduler asks for it (runtime 2.4)."""
