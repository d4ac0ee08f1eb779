# Makes a node of the packages and files that are there: what kind's own image has, by the distribution's means.
set -euo pipefail
here=/opt/setup

for name in kubelet kubeadm kubectl; do
    ln -s /opt/kubernetes/kubernetes "/usr/bin/$name"
done
# kind's units look for these where it installs its own
for name in containerd containerd-shim-runc-v2 ctr; do
    ln -sf "/usr/bin/$name" "/usr/local/bin/$name"
done
mkdir -p /opt/cni /etc/cni/net.d
ln -s /usr/lib/cni /opt/cni/bin
[ -e /sbin/init ] || ln -s /lib/systemd/systemd /sbin/init

# Nothing runs but what a node needs.
find /lib/systemd/system/sysinit.target.wants/ -name systemd-tmpfiles-setup.service -delete
rm -rf /lib/systemd/system/multi-user.target.wants/* /etc/systemd/system/*.wants \
    /lib/systemd/system/local-fs.target.wants/* /lib/systemd/system/sockets.target.wants/*udev* \
    /lib/systemd/system/sockets.target.wants/*initctl* /lib/systemd/system/basic.target.wants/*
echo "ReadKMsg=no" >> /etc/systemd/journald.conf
install -D -m 0644 "$here/withheld.conf" /etc/systemd/system/containerd.service.d/10-withheld.conf
install -m 0755 "$here/withheld" /kind/bin/withheld
systemctl enable kubelet.service containerd.service undo-mount-hacks.service
systemctl mask systemd-binfmt.service
mkdir -p /etc/kubernetes/manifests /kind/manifests

ctr oci spec | jq 'del(.process.rlimits)' > /etc/containerd/cri-base.json
echo -n "$VERSION" > /kind/version
install -m 0644 "$here/network.yaml" /kind/manifests/default-cni.yaml
kubeadm version -o short
