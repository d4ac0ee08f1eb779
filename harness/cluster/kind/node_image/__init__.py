"""The image of kind nodes: present in the engine, or pulled, or built from packages.

Clusters only need :func:`ensure` and :func:`read_version`. The folder ``files`` describes the parts to build:

* :mod:`~harness.cluster.kind.node_image.programs`: Kubernetes with etcd, CoreDNS, the storage provisioner, kind and
  the node's network, each compiled in a separate build and kept as an image with nothing but the program. So an
  interrupted build continues with the program that it was compiling.
* :mod:`~harness.cluster.kind.node_image.system`: the node's file system, and the images of the cluster's own pods.
* :mod:`~harness.cluster.kind.node_image.preload`: these images in the node's containerd.
"""

from __future__ import annotations

from harness.cluster.kind.node_image.build import KUBERNETES_VERSION, PUBLIC_IMAGE, ensure, read_version

__all__ = ["KUBERNETES_VERSION", "PUBLIC_IMAGE", "ensure", "read_version"]
