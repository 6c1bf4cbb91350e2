// FerretDB over SQLite: documents are in files of a folder, and there again after a kill.
//
//	ferretdb -address 127.0.0.1:27017 -folder DIR [-certificate FILE -key FILE]
package main

import (
	"context"
	"flag"
	"log"
	"log/slog"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/FerretDB/FerretDB/ferretdb"
)

func main() {
	address := flag.String("address", "", "where it listens")
	folder := flag.String("folder", "", "where its data lies")
	certificate := flag.String("certificate", "", "the server's certificate, PEM; with it only TLS is spoken")
	key := flag.String("key", "", "the certificate's key, PEM")
	flag.Parse()

	data, err := filepath.Abs(*folder)
	if err != nil {
		log.Fatal(err)
	}
	listener := ferretdb.ListenerConfig{TCP: *address}
	if *certificate != "" {
		listener = ferretdb.ListenerConfig{TLS: *address, TLSCertFile: *certificate, TLSKeyFile: *key}
	}
	server, err := ferretdb.New(&ferretdb.Config{
		Listener: listener,
		Logger:   slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
		Handler:  "sqlite",
		// A path that ends in a slash is a folder of databases. What was written outlasts a kill, not a power cut.
		SQLiteURL: (&url.URL{Scheme: "file", Path: data + "/", RawQuery: "_pragma=synchronous(off)"}).String(),
	})
	if err != nil {
		log.Fatal(err)
	}
	ended, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if err := server.Run(ended); err != nil {
		log.Fatal(err)
	}
}
