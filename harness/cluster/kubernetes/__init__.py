"""Code for all real Kubernetes clusters."""
