"""Names that host and containers share: namespaces, services, ports, paths, labels, objects of a run.

Nothing here may import from the rest of the package: these modules are copied into every image.
"""
