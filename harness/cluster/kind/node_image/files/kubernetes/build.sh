# Kubernetes, with the version that its parts ask each other for, and its names as links.
major=${VERSION#v}; major=${major%%.*}
minor=${VERSION#v*.}; minor=${minor%%.*}
flags="-s -w"
for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
    flags="$flags -X $package.gitVersion=$VERSION -X $package.gitMajor=$major -X $package.gitMinor=$minor"
    flags="$flags -X $package.gitTreeState=archive -X $package.buildDate=1970-01-01T00:00:00Z"
done
compile "$flags" /out/bin/kubernetes .
for name in etcd kubeadm kubectl kubelet kube-apiserver kube-controller-manager kube-scheduler kube-proxy; do
    ln -s kubernetes "/out/bin/$name"
done
/out/bin/kubeadm version -o short
# the folder of its source tells nothing more about the images than the program itself
/out/bin/kubeadm config images list --kubernetes-version "$VERSION" > /out/images
