# The network of a node, and the program that holds a pod's namespaces.
compile "-s -w" /out/bin/kaapana-harness-network .
compile "-s -w" /out/bin/pause ./pause
