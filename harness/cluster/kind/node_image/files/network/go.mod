// The network of a node: addresses, routes, and who may reach whom.
module kaapana-harness.invalid/network

go 1.24.0

require (
	github.com/containernetworking/cni v1.3.0
	github.com/vishvananda/netlink v1.3.1
	k8s.io/api v0.34.4
	k8s.io/apimachinery v0.34.4
	k8s.io/client-go v0.34.4
)
