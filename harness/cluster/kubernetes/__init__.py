"""What every real Kubernetes cluster has in common, whoever made it."""
