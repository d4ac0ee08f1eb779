# The command kind for the host's system, and what its module has for the nodes.
module="sigs.k8s.io/kind@$VERSION"
cat > go.mod <<GOMOD
module kaapana-harness.invalid/kind

go 1.24.0

require sigs.k8s.io/kind $VERSION
GOMOD
compile "-s -w" /out/bin/kind sigs.k8s.io/kind
folder=$(go list -m -f '{{.Dir}}' sigs.k8s.io/kind)
cp -r --no-preserve=mode "$folder/images/base/files" /out/node
rm -r /out/node/LICENSES
chmod 755 /out/node/kind/bin/* /out/node/usr/local/bin/*
cp "$folder/LICENSE" /out/LICENSE
mkdir -p /out/node/kind/manifests
python storage.py "$folder/pkg/build/nodeimage/const_storage.go" /out/node/kind/manifests/default-storage.yaml /out/images
echo "$module"
