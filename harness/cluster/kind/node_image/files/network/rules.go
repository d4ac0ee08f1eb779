package main

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"sort"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
)

const table = "kaapana_harness"

// pod is what the rules depend on.
type pod struct {
	Namespace string
	Name      string
	Labels    map[string]string
	Addresses []string
	// numbers by protocol and name
	Ports map[string]int32
	// whether it runs on this node
	Local bool
}

// world is all that the rules depend on.
type world struct {
	// addresses of all pods of the cluster
	PodSubnet  string
	Namespaces map[string]map[string]string
	Pods       []pod
	Policies   []networkingv1.NetworkPolicy
}

// rules are the rules of a node for nft, as one transaction. What a policy does not allow is refused with "no route
// to host" and not dropped: a program that may not get out notices it at once.
func rules(w world) string {
	var egress, ingress []string
	chains := map[string]string{}
	for _, p := range w.Pods {
		if !p.Local {
			continue
		}
		for _, address := range p.Addresses {
			if chain := w.chain(p, networkingv1.PolicyTypeEgress, chains); chain != "" {
				egress = append(egress, address+" : jump "+chain)
			}
			if chain := w.chain(p, networkingv1.PolicyTypeIngress, chains); chain != "" {
				ingress = append(ingress, address+" : jump "+chain)
			}
		}
	}
	var out strings.Builder
	// created before it is deleted: it may not be there
	fmt.Fprintf(&out, "table ip %s\ndelete table ip %s\ntable ip %s {\n", table, table, table)
	names := make([]string, 0, len(chains))
	for name := range chains {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		fmt.Fprintf(&out, "\tchain %s {\n%s\t}\n", name, chains[name])
	}
	for _, direction := range []struct {
		name, field string
		verdicts    []string
	}{{"egress", "saddr", egress}, {"ingress", "daddr", ingress}} {
		fmt.Fprintf(&out, "\tchain %s {\n", direction.name)
		if len(direction.verdicts) > 0 {
			sort.Strings(direction.verdicts)
			fmt.Fprintf(&out, "\t\tip %s vmap { %s }\n", direction.field, strings.Join(direction.verdicts, ", "))
		}
		out.WriteString("\t}\n")
	}
	out.WriteString("\tchain forward {\n\t\ttype filter hook forward priority filter; policy accept;\n" +
		"\t\tct state established,related accept\n\t\tjump egress\n\t\tjump ingress\n\t}\n")
	out.WriteString("\tchain input {\n\t\ttype filter hook input priority filter; policy accept;\n" +
		"\t\tct state established,related accept\n\t\tjump egress\n\t}\n")
	fmt.Fprintf(&out, "\tchain postrouting {\n\t\ttype nat hook postrouting priority srcnat; policy accept;\n"+
		"\t\tip saddr %s ip daddr != %s masquerade\n\t}\n}\n", w.PodSubnet, w.PodSubnet)
	return out.String()
}

// chain is the name of the chain for one direction of a pod, which is added to chains; empty where no policy selects
// the pod. Pods with the same rules share one.
func (w world) chain(p pod, direction networkingv1.PolicyType, chains map[string]string) string {
	var lines []string
	selected := false
	for _, policy := range w.Policies {
		if policy.Namespace != p.Namespace || !concerns(policy, direction) || !matches(&policy.Spec.PodSelector, p.Labels) {
			continue
		}
		selected = true
		if direction == networkingv1.PolicyTypeEgress {
			for _, rule := range policy.Spec.Egress {
				lines = append(lines, w.lines(policy.Namespace, "daddr", rule.To, rule.Ports, nil)...)
			}
		} else {
			for _, rule := range policy.Spec.Ingress {
				lines = append(lines, w.lines(policy.Namespace, "saddr", rule.From, rule.Ports, &p)...)
			}
		}
	}
	if !selected {
		return ""
	}
	sort.Strings(lines)
	var text strings.Builder
	for i, line := range lines {
		if i == 0 || line != lines[i-1] {
			fmt.Fprintf(&text, "\t\t%s return\n", line)
		}
	}
	text.WriteString("\t\treject with icmp type host-unreachable\n")
	// the same rules in both directions are the same chain: they name the field that they look at
	name := fmt.Sprintf("rules_%x", sha256.Sum256([]byte(text.String())))[:22]
	chains[name] = text.String()
	return name
}

// lines are the matches of one rule: one for each kind of peer and port, of which one is enough. target is the pod
// whose named ports are meant; nil where they are those of each peer.
func (w world) lines(
	namespace, field string, peers []networkingv1.NetworkPolicyPeer, ports []networkingv1.NetworkPolicyPort, target *pod,
) []string {
	var result []string
	if len(peers) == 0 {
		for _, port := range portMatches(ports, target) {
			result = append(result, port)
		}
		if target == nil {
			// a named port of any peer: of those pods that have it
			for _, peer := range w.Pods {
				result = append(result, namedPorts(ports, field, peer)...)
			}
		}
		return result
	}
	for _, peer := range peers {
		if peer.IPBlock != nil {
			match := block(field, peer.IPBlock)
			for _, port := range portMatches(ports, target) {
				result = append(result, strings.TrimSpace(match+" "+port))
			}
			continue
		}
		var addresses []string
		for _, other := range w.Pods {
			if !w.isPeer(namespace, peer, other) {
				continue
			}
			addresses = append(addresses, other.Addresses...)
			if target == nil {
				result = append(result, namedPorts(ports, field, other)...)
			}
		}
		if len(addresses) == 0 {
			continue
		}
		sort.Strings(addresses)
		match := fmt.Sprintf("ip %s { %s }", field, strings.Join(addresses, ", "))
		for _, port := range portMatches(ports, target) {
			result = append(result, strings.TrimSpace(match+" "+port))
		}
	}
	return result
}

func (w world) isPeer(namespace string, peer networkingv1.NetworkPolicyPeer, other pod) bool {
	if peer.NamespaceSelector == nil {
		if other.Namespace != namespace {
			return false
		}
	} else if !matches(peer.NamespaceSelector, w.Namespaces[other.Namespace]) {
		return false
	}
	return peer.PodSelector == nil || matches(peer.PodSelector, other.Labels)
}

// portMatches are the matches of the numbers; one empty match where every port is meant.
func portMatches(ports []networkingv1.NetworkPolicyPort, target *pod) []string {
	if len(ports) == 0 {
		return []string{""}
	}
	var result []string
	for _, port := range ports {
		protocol := protocolOf(port)
		switch {
		case port.Port == nil:
			result = append(result, "meta l4proto "+protocol)
		case port.Port.Type == intstr.String:
			if target != nil {
				if number, known := target.Ports[protocol+"/"+port.Port.StrVal]; known {
					result = append(result, fmt.Sprintf("%s dport %d", protocol, number))
				}
			}
		case port.EndPort != nil && *port.EndPort > port.Port.IntVal:
			result = append(result, fmt.Sprintf("%s dport %d-%d", protocol, port.Port.IntVal, *port.EndPort))
		default:
			result = append(result, fmt.Sprintf("%s dport %d", protocol, port.Port.IntVal))
		}
	}
	return result
}

func namedPorts(ports []networkingv1.NetworkPolicyPort, field string, peer pod) []string {
	var result []string
	for _, port := range ports {
		if port.Port == nil || port.Port.Type != intstr.String {
			continue
		}
		protocol := protocolOf(port)
		if number, known := peer.Ports[protocol+"/"+port.Port.StrVal]; known {
			for _, address := range peer.Addresses {
				result = append(result, fmt.Sprintf("ip %s %s %s dport %d", field, address, protocol, number))
			}
		}
	}
	return result
}

func protocolOf(port networkingv1.NetworkPolicyPort) string {
	if port.Protocol == nil {
		return "tcp"
	}
	return strings.ToLower(string(*port.Protocol))
}

// block is the match of a range of addresses; one that nothing has for what is not IPv4.
func block(field string, b *networkingv1.IPBlock) string {
	prefix, err := netip.ParsePrefix(b.CIDR)
	if err != nil || !prefix.Addr().Is4() {
		return fmt.Sprintf("ip %s 255.255.255.255", field)
	}
	var parts []string
	if prefix.Bits() > 0 {
		parts = append(parts, fmt.Sprintf("ip %s %s", field, prefix.Masked()))
	}
	for _, except := range b.Except {
		if prefix, err := netip.ParsePrefix(except); err == nil && prefix.Addr().Is4() {
			parts = append(parts, fmt.Sprintf("ip %s != %s", field, prefix.Masked()))
		}
	}
	return strings.Join(parts, " ")
}

// concerns says whether a policy limits a direction. Without types it limits ingress, and egress where it has rules.
func concerns(policy networkingv1.NetworkPolicy, direction networkingv1.PolicyType) bool {
	if len(policy.Spec.PolicyTypes) == 0 {
		return direction == networkingv1.PolicyTypeIngress || len(policy.Spec.Egress) > 0
	}
	for _, named := range policy.Spec.PolicyTypes {
		if named == direction {
			return true
		}
	}
	return false
}

func matches(selector *metav1.LabelSelector, set map[string]string) bool {
	compiled, err := metav1.LabelSelectorAsSelector(selector)
	return err == nil && compiled.Matches(labels.Set(set))
}

// portsOf are the named ports of a pod's containers.
func portsOf(spec corev1.PodSpec) map[string]int32 {
	ports := map[string]int32{}
	for _, container := range append(append([]corev1.Container{}, spec.InitContainers...), spec.Containers...) {
		for _, port := range container.Ports {
			protocol := strings.ToLower(string(port.Protocol))
			if protocol == "" {
				protocol = "tcp"
			}
			if port.Name != "" {
				ports[protocol+"/"+port.Name] = port.ContainerPort
			}
		}
	}
	return ports
}

// printRules is for tests: a world as JSON in, its rules out.
func printRules(in io.Reader, out io.Writer) error {
	var w world
	if err := json.NewDecoder(in).Decode(&w); err != nil {
		return err
	}
	_, err := io.WriteString(out, rules(w))
	return err
}
