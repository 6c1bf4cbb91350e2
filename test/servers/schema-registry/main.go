// A schema registry over HTTP, in memory, with a journal: what was registered is there again after a kill.
//
//	schema-registry -address 127.0.0.1:8081 -journal FILE [-auth 'Basic …'] [-certificate FILE -key FILE [-client-ca FILE]]
package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"io/fs"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"sync"

	"github.com/twmb/franz-go/pkg/sr/srfake"
)

// entry is one request that changed something.
type entry struct {
	Method string
	Path   string
	Body   []byte
}

// journaled serves the registry; requests that changed it are written down before they are answered.
type journaled struct {
	registry http.Handler
	journal  *os.File
	mu       sync.Mutex
}

func (j *journaled) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if req.Method == http.MethodGet {
		j.registry.ServeHTTP(w, req)
		return
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	body, err := io.ReadAll(req.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	req.Body = io.NopCloser(bytes.NewReader(body))
	answer := httptest.NewRecorder()
	j.registry.ServeHTTP(answer, req)
	if answer.Code < 300 {
		line, _ := json.Marshal(entry{req.Method, req.URL.String(), body})
		if _, err := j.journal.Write(append(line, '\n')); err != nil {
			log.Fatal(err)
		}
	}
	for name, values := range answer.Header() {
		w.Header()[name] = values
	}
	w.WriteHeader(answer.Code)
	_, _ = w.Write(answer.Body.Bytes())
}

// replay does again what the journal holds.
func replay(registry http.Handler, path string, auth string) {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	if err != nil {
		log.Fatal(err)
	}
	defer file.Close()
	for decoder := json.NewDecoder(file); ; {
		var e entry
		// A line that a kill cut short was never answered.
		if err := decoder.Decode(&e); err != nil {
			return
		}
		req := httptest.NewRequest(e.Method, e.Path, bytes.NewReader(e.Body))
		req.Header.Set("Authorization", auth)
		registry.ServeHTTP(httptest.NewRecorder(), req)
	}
}

// withHealth answers probes without asking who they are.
func withHealth(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path == "/health" {
			w.WriteHeader(http.StatusOK)
			return
		}
		next.ServeHTTP(w, req)
	})
}

func main() {
	address := flag.String("address", "127.0.0.1:8081", "where to listen")
	path := flag.String("journal", "", "file of the journal")
	auth := flag.String("auth", "", "what callers must send as Authorization")
	certificate := flag.String("certificate", "", "serves https with this certificate")
	key := flag.String("key", "", "the certificate's key")
	clientCA := flag.String("client-ca", "", "asks clients for a certificate of this authority")
	flag.Parse()

	var options []srfake.Option
	if *auth != "" {
		options = append(options, srfake.WithAuth(*auth))
	}
	registry := srfake.NewRegistry(options...).Handler()
	replay(registry, *path, *auth)
	journal, err := os.OpenFile(*path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		log.Fatal(err)
	}
	server := &http.Server{Addr: *address, Handler: withHealth(&journaled{registry: registry, journal: journal})}
	if *certificate == "" {
		log.Fatal(server.ListenAndServe())
	}
	if *clientCA != "" {
		pem, err := os.ReadFile(*clientCA)
		if err != nil {
			log.Fatal(err)
		}
		authorities := x509.NewCertPool()
		authorities.AppendCertsFromPEM(pem)
		server.TLSConfig = &tls.Config{ClientCAs: authorities, ClientAuth: tls.VerifyClientCertIfGiven}
		server.Handler = withHealth(withCertificate(&journaled{registry: registry, journal: journal}))
	}
	log.Fatal(server.ListenAndServeTLS(*certificate, *key))
}

// withCertificate refuses who shows none; probes are answered before.
func withCertificate(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if len(req.TLS.PeerCertificates) == 0 {
			http.Error(w, "a certificate is asked for", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, req)
	})
}
