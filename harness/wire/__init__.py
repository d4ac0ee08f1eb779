"""What host and containers share: names, routes, labels, the objects of a run, and how both wait.

Nothing here may import from the rest of the package: these modules are copied into every image.
"""
