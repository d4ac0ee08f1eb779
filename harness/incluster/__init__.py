"""What runs in containers, and only there: nothing in it imports from the host's side of the package.

It may import ``harness.kube``, ``harness.wire`` and ``harness.geometry``, which run on both sides. An image gets only
the parts that its containers run (``harness/images/catalogue.py``).
"""
