"""A cluster that exists already and belongs to others as well: a context of the user's kubeconfig."""
