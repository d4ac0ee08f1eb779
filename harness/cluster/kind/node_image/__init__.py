"""The image of a kind node: present in the engine, otherwise pulled, otherwise built from packages.

:func:`ensure` is all that a cluster needs of it. What is built is described by the folder ``files``:

* :mod:`~harness.cluster.kind.node_image.programs`: Kubernetes with etcd, CoreDNS, the storage provisioner, kind and
  the node's network, each compiled in a build of its own and kept as an image with nothing but the program. So an
  interrupted build goes on with the program that it was at.
* :mod:`~harness.cluster.kind.node_image.system`: the node's file system, and the images of what runs in the cluster.
* :mod:`~harness.cluster.kind.node_image.preload`: the images put into the node's containerd.
"""

from __future__ import annotations

from harness.cluster.kind.node_image.build import KUBERNETES_VERSION, PUBLIC_IMAGE, ensure

__all__ = ["KUBERNETES_VERSION", "PUBLIC_IMAGE", "ensure"]
