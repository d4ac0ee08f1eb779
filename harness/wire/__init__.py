"""Names, ports and paths of the emulated platform: constants only, shared by host and containers.

Nothing here may import from the rest of the package: these modules are copied into every image.
"""
