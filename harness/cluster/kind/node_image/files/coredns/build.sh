# As its own release: the module's main package, and its version where it looks for it.
cat > go.mod <<GOMOD
module kaapana-harness.invalid/coredns

go 1.24.0

require github.com/coredns/coredns $VERSION
GOMOD
compile "-s -w" /out/bin/coredns github.com/coredns/coredns
