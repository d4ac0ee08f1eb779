// The network of a node, one program with two tasks.
//
// The container runtime calls it as a CNI plug-in (CNI_COMMAND is set), behind the plug-ins that give a pod its
// address: it returns when the node's rules know the pod, so that no pod ever runs before the policies that hold for
// it. A DaemonSet runs it as `agent`, which keeps rules and routes.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	var err error
	switch {
	case os.Getenv("CNI_COMMAND") != "":
		plugin()
	case len(os.Args) == 2 && os.Args[1] == "agent":
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
		defer stop()
		err = agent(ctx)
	case len(os.Args) == 2 && os.Args[1] == "rules":
		err = printRules(os.Stdin, os.Stdout)
	default:
		err = fmt.Errorf("usage: %s agent | rules", os.Args[0])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
