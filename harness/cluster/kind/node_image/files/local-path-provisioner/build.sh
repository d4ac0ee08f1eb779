# As its own release: the module's main package, and its version where it looks for it.
cat > go.mod <<GOMOD
module kaapana-harness.invalid/local-path-provisioner

go 1.24.0

require github.com/rancher/local-path-provisioner $VERSION
GOMOD
compile "-s -w" /out/bin/local-path-provisioner github.com/rancher/local-path-provisioner
