// A Vault server for tests: HashiCorp's own core with the transit engine, all of it in memory. Nothing here stands in for Vault; what is
// left out is the command around it, with its storage, its user interface and its plugins.
//
// It listens on a free port of the loopback interface, prints its address, and ends when its standard input does, so that a test
// that dies takes it along. It begins uninitialised and sealed, as every new Vault.
package main

import (
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/vault/builtin/logical/transit"
	vaulthttp "github.com/hashicorp/vault/http"
	"github.com/hashicorp/vault/sdk/helper/consts"
	"github.com/hashicorp/vault/sdk/logical"
	"github.com/hashicorp/vault/sdk/physical/inmem"
	"github.com/hashicorp/vault/vault"
)

// The core asks for its plugins by name; there is one.
type onlyTransit struct{}

func (onlyTransit) Contains(name string, _ consts.PluginType) bool {
	return name == "transit"
}

func (plugins onlyTransit) Get(name string, kind consts.PluginType) (func() (interface{}, error), bool) {
	factory := func() (interface{}, error) { return transit.Factory, nil }
	return factory, plugins.Contains(name, kind)
}

func (onlyTransit) Keys(consts.PluginType) []string {
	return []string{"transit"}
}

func (onlyTransit) DeprecationStatus(name string, _ consts.PluginType) (consts.DeprecationStatus, bool) {
	return consts.Supported, name == "transit"
}

func main() {
	logger := hclog.New(&hclog.LoggerOptions{Level: hclog.Error, Output: os.Stderr})
	storage, err := inmem.NewInmem(nil, logger)
	if err != nil {
		log.Fatal(err)
	}
	core, err := vault.NewCore(&vault.CoreConfig{
		Physical:        storage,
		DisableMlock:    true,
		Logger:          logger,
		BuiltinRegistry: onlyTransit{},
		LogicalBackends: map[string]logical.Factory{"transit": transit.Factory},
	})
	if err != nil {
		log.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	fmt.Println(listener.Addr())
	properties := vault.HandlerProperties{Core: core}
	log.Fatal(http.Serve(listener, vaulthttp.Handler.Handler(&properties)))
}
