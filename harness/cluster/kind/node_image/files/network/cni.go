package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/containernetworking/cni/pkg/skel"
	"github.com/containernetworking/cni/pkg/types"
	current "github.com/containernetworking/cni/pkg/types/100"
	"github.com/containernetworking/cni/pkg/version"
)

const (
	pluginName = "kaapana-harness-network"
	socketPath = "/run/kaapana-harness/network.sock"
	confPath   = "/etc/cni/net.d/10-kaapana-harness.conflist"
	// how long a pod may wait for the agent (which may be just starting again)
	pluginPatience = 20 * time.Second
)

// arrival is what the plug-in tells the agent of a pod.
type arrival struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	UID       string `json:"uid"`
	Address   string `json:"address"`
}

type podArgs struct {
	types.CommonArgs
	K8S_POD_NAMESPACE types.UnmarshallableString //nolint:revive
	K8S_POD_NAME      types.UnmarshallableString //nolint:revive
	K8S_POD_UID       types.UnmarshallableString //nolint:revive
}

func plugin() {
	nothing := func(*skel.CmdArgs) error { return nil }
	skel.PluginMainFuncs(
		skel.CNIFuncs{Add: add, Del: nothing, Check: nothing}, version.All, "tells the rules of the node about a pod")
}

func add(args *skel.CmdArgs) error {
	conf := types.PluginConf{}
	if err := json.Unmarshal(args.StdinData, &conf); err != nil {
		return fmt.Errorf("the configuration cannot be read: %w", err)
	}
	if err := version.ParsePrevResult(&conf); err != nil {
		return fmt.Errorf("the result of the previous plug-in cannot be read: %w", err)
	}
	if conf.PrevResult == nil {
		return fmt.Errorf("%s must stand behind another plug-in", pluginName)
	}
	result, err := current.NewResultFromResult(conf.PrevResult)
	if err != nil {
		return err
	}
	pod := podArgs{}
	if err := types.LoadArgs(args.Args, &pod); err != nil {
		return err
	}
	if pod.K8S_POD_NAME != "" {
		for _, ip := range result.IPs {
			if ip.Address.IP.To4() == nil {
				continue
			}
			news := arrival{
				string(pod.K8S_POD_NAMESPACE), string(pod.K8S_POD_NAME), string(pod.K8S_POD_UID), ip.Address.IP.String(),
			}
			if err := announce(news); err != nil {
				return err
			}
		}
	}
	return types.PrintResult(conf.PrevResult, conf.CNIVersion)
}

func announce(news arrival) error {
	body, err := json.Marshal(news)
	if err != nil {
		return err
	}
	client := http.Client{
		Timeout:   pluginPatience,
		Transport: &http.Transport{Dial: func(string, string) (net.Conn, error) { return net.Dial("unix", socketPath) }},
	}
	deadline := time.Now().Add(pluginPatience)
	for {
		response, err := client.Post("http://agent/arrival", "application/json", bytes.NewReader(body))
		if err == nil {
			text, _ := io.ReadAll(io.LimitReader(response.Body, 4096))
			response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return nil
			}
			err = fmt.Errorf("the node's rules do not know the pod: %s", strings.TrimSpace(string(text)))
		}
		if time.Now().After(deadline) {
			return err
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// writeConf makes the node ready for pods: addresses from its own range, a route for each pod, host ports.
func writeConf(podCIDR string) error {
	document := map[string]any{
		"cniVersion": "0.4.0",
		"name":       "kaapana-harness",
		"plugins": []any{
			map[string]any{
				"type": "ptp",
				"ipam": map[string]any{
					"type":    "host-local",
					"dataDir": "/run/cni-ipam-state",
					"routes":  []any{map[string]any{"dst": "0.0.0.0/0"}},
					"ranges":  []any{[]any{map[string]any{"subnet": podCIDR}}},
				},
			},
			map[string]any{"type": "portmap", "capabilities": map[string]any{"portMappings": true}},
			map[string]any{"type": pluginName},
		},
	}
	text, err := json.MarshalIndent(document, "", "  ")
	if err != nil {
		return err
	}
	if old, err := os.ReadFile(confPath); err == nil && bytes.Equal(old, text) {
		return nil
	}
	part := filepath.Join(filepath.Dir(confPath), "."+filepath.Base(confPath))
	if err := os.WriteFile(part, text, 0o644); err != nil {
		return err
	}
	return os.Rename(part, confPath)
}
