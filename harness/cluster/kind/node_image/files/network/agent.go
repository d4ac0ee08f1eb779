package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"sync"
	"time"

	"github.com/vishvananda/netlink"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"
	networkinglisters "k8s.io/client-go/listers/networking/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
)

// routes of ours, told apart from the others by this number
const routeProtocol = 98

type keeper struct {
	nodeName, podSubnet string
	pods                corelisters.PodLister
	nodes               corelisters.NodeLister
	namespaces          corelisters.NamespaceLister
	policies            networkinglisters.NetworkPolicyLister

	mutex sync.Mutex
	// addresses that the plug-in announced, by namespace/name/uid: earlier than the pod's status has them
	announced map[string]string
	// pods that the plug-in asks for and the cache does not have yet
	asked, done uint64
	changed     *sync.Cond
	wake        chan struct{}
	installed   string
}

func agent(ctx context.Context) error {
	config, err := rest.InClusterConfig()
	if err != nil {
		return err
	}
	if endpoint := os.Getenv("CONTROL_PLANE_ENDPOINT"); endpoint != "" {
		// the Service of the API needs kube-proxy, and kube-proxy need not wait for us
		config.Host = "https://" + endpoint
	}
	config.QPS, config.Burst = 50, 100
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	factory := informers.NewSharedInformerFactoryWithOptions(client, 0, informers.WithTransform(withoutFields))
	k := &keeper{
		nodeName:   os.Getenv("NODE_NAME"),
		podSubnet:  os.Getenv("POD_SUBNET"),
		pods:       factory.Core().V1().Pods().Lister(),
		nodes:      factory.Core().V1().Nodes().Lister(),
		namespaces: factory.Core().V1().Namespaces().Lister(),
		policies:   factory.Networking().V1().NetworkPolicies().Lister(),
		announced:  map[string]string{},
		wake:       make(chan struct{}, 1),
	}
	k.changed = sync.NewCond(&k.mutex)
	handler := cache.ResourceEventHandlerFuncs{
		AddFunc:    func(any) { k.awaken() },
		UpdateFunc: func(any, any) { k.awaken() },
		DeleteFunc: func(any) { k.awaken() },
	}
	for _, informer := range []cache.SharedIndexInformer{
		factory.Core().V1().Pods().Informer(), factory.Core().V1().Nodes().Informer(),
		factory.Core().V1().Namespaces().Informer(), factory.Networking().V1().NetworkPolicies().Informer(),
	} {
		if _, err := informer.AddEventHandler(handler); err != nil {
			return err
		}
	}
	factory.Start(ctx.Done())
	factory.WaitForCacheSync(ctx.Done())
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := k.sync(); err != nil {
		return err
	}
	if err := k.serve(ctx); err != nil {
		return err
	}
	return k.loop(ctx)
}

// withoutFields leaves out who set which field, the larger part of most objects.
func withoutFields(object any) (any, error) {
	if accessor, err := meta.Accessor(object); err == nil {
		accessor.SetManagedFields(nil)
	}
	return object, nil
}

func (k *keeper) awaken() {
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

// loop brings the node up to date whenever something has changed, and makes it ready once it has its range.
func (k *keeper) loop(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-k.wake:
		}
		k.mutex.Lock()
		ticket := k.asked
		k.mutex.Unlock()
		err := errors.Join(k.sync(), k.routes())
		if err != nil {
			log.Printf("not up to date: %v", err)
			time.AfterFunc(time.Second, k.awaken)
			continue
		}
		k.mutex.Lock()
		k.done = ticket
		k.changed.Broadcast()
		k.mutex.Unlock()
	}
}

// sync installs the rules when they are others than those that are installed.
func (k *keeper) sync() error {
	w, err := k.world()
	if err != nil {
		return err
	}
	text := rules(w)
	if text == k.installed {
		return nil
	}
	command := exec.Command("nft", "-f", "-")
	command.Stdin = bytes.NewBufferString(text)
	if output, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("nft: %w: %s\n%s", err, output, text)
	}
	k.installed = text
	return nil
}

func key(namespace, name, uid string) string { return namespace + "/" + name + "/" + uid }

func (k *keeper) world() (world, error) {
	w := world{PodSubnet: k.podSubnet, Namespaces: map[string]map[string]string{}}
	namespaces, err := k.namespaces.List(labels.Everything())
	if err != nil {
		return w, err
	}
	for _, namespace := range namespaces {
		w.Namespaces[namespace.Name] = namespace.Labels
	}
	pods, err := k.pods.List(labels.Everything())
	if err != nil {
		return w, err
	}
	k.mutex.Lock()
	forgotten := make(map[string]bool, len(k.announced))
	for known := range k.announced {
		forgotten[known] = true
	}
	for _, p := range pods {
		known := key(p.Namespace, p.Name, string(p.UID))
		ended := p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed
		if p.Spec.HostNetwork || ended {
			continue
		}
		delete(forgotten, known)
		var addresses []string
		if address := k.announced[known]; address != "" {
			addresses = []string{address}
		} else {
			for _, ip := range p.Status.PodIPs {
				if parsed := net.ParseIP(ip.IP); parsed != nil && parsed.To4() != nil {
					addresses = append(addresses, ip.IP)
				}
			}
		}
		if len(addresses) > 0 {
			w.Pods = append(w.Pods, pod{
				p.Namespace, p.Name, p.Labels, addresses, portsOf(p.Spec), p.Spec.NodeName == k.nodeName,
			})
		}
	}
	for gone := range forgotten {
		delete(k.announced, gone)
	}
	k.mutex.Unlock()
	policies, err := k.policies.List(labels.Everything())
	if err != nil {
		return w, err
	}
	for _, policy := range policies {
		w.Policies = append(w.Policies, networkingv1.NetworkPolicy{ObjectMeta: policy.ObjectMeta, Spec: policy.Spec})
	}
	sort.Slice(w.Policies, func(a, b int) bool {
		return w.Policies[a].Namespace+"/"+w.Policies[a].Name < w.Policies[b].Namespace+"/"+w.Policies[b].Name
	})
	return w, nil
}

// routes leads to the pods of each other node, and makes this one ready once it has a range of its own.
func (k *keeper) routes() error {
	nodes, err := k.nodes.List(labels.Everything())
	if err != nil {
		return err
	}
	wanted := map[string]net.IP{}
	for _, node := range nodes {
		if node.Spec.PodCIDR == "" {
			continue
		}
		if node.Name == k.nodeName {
			if err := writeConf(node.Spec.PodCIDR); err != nil {
				return err
			}
			continue
		}
		for _, address := range node.Status.Addresses {
			if ip := net.ParseIP(address.Address); address.Type == corev1.NodeInternalIP && ip.To4() != nil {
				wanted[node.Spec.PodCIDR] = ip
			}
		}
	}
	filter := &netlink.Route{Protocol: routeProtocol}
	present, err := netlink.RouteListFiltered(netlink.FAMILY_V4, filter, netlink.RT_FILTER_PROTOCOL)
	if err != nil {
		return err
	}
	for _, route := range present {
		if gateway, known := wanted[route.Dst.String()]; !known || !gateway.Equal(route.Gw) {
			if err := netlink.RouteDel(&route); err != nil {
				return err
			}
		} else {
			delete(wanted, route.Dst.String())
		}
	}
	for cidr, gateway := range wanted {
		_, destination, err := net.ParseCIDR(cidr)
		if err != nil {
			return err
		}
		route := &netlink.Route{Dst: destination, Gw: gateway, Protocol: routeProtocol}
		if err := netlink.RouteReplace(route); err != nil {
			return fmt.Errorf("route to %s by %s: %w", cidr, gateway, err)
		}
	}
	return nil
}

// serve hears the plug-in. The socket is there before the node is ready for pods.
func (k *keeper) serve(ctx context.Context) error {
	if err := os.MkdirAll(filepath.Dir(socketPath), 0o700); err != nil {
		return err
	}
	if err := os.Remove(socketPath); err != nil && !os.IsNotExist(err) {
		return err
	}
	listener, err := net.Listen("unix", socketPath)
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /arrival", k.arrival)
	go func() {
		server := http.Server{Handler: mux, ReadTimeout: 5 * time.Second}
		context.AfterFunc(ctx, func() { server.Close() })
		if err := server.Serve(listener); ctx.Err() == nil {
			log.Fatalf("the plug-in cannot be heard any more: %v", err)
		}
	}()
	return nil
}

// arrival answers when the rules know the pod.
func (k *keeper) arrival(writer http.ResponseWriter, request *http.Request) {
	var news arrival
	if err := json.NewDecoder(http.MaxBytesReader(writer, request.Body, 1<<16)).Decode(&news); err != nil {
		http.Error(writer, err.Error(), http.StatusBadRequest)
		return
	}
	deadline := time.Now().Add(10 * time.Second)
	// the kubelet may have heard of a pod a moment before us
	var found *corev1.Pod
	for {
		p, err := k.pods.Pods(news.Namespace).Get(news.Name)
		if err == nil && (news.UID == "" || string(p.UID) == news.UID) {
			found = p
			break
		}
		if time.Now().After(deadline) {
			http.Error(writer, "the API has no such pod", http.StatusNotFound)
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	k.mutex.Lock()
	k.announced[key(found.Namespace, found.Name, string(found.UID))] = news.Address
	k.asked++
	ticket := k.asked
	k.mutex.Unlock()
	k.awaken()
	expired := time.AfterFunc(time.Until(deadline), func() {
		k.mutex.Lock()
		k.changed.Broadcast()
		k.mutex.Unlock()
	})
	defer expired.Stop()
	k.mutex.Lock()
	defer k.mutex.Unlock()
	for k.done < ticket {
		if time.Now().After(deadline) {
			http.Error(writer, "the rules could not be brought up to date", http.StatusServiceUnavailable)
			return
		}
		k.changed.Wait()
	}
}
