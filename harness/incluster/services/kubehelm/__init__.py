"""kube-helm, as far as pods call it (services 14.1)."""
