package main

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel"
)

func serveHTTP() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /items/{id}", func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, r.PathValue("id"))
	})
	mux.HandleFunc("/status/{code}", func(w http.ResponseWriter, r *http.Request) {
		code, err := strconv.Atoi(r.PathValue("code"))
		check(err)
		w.WriteHeader(code)
	})
	mux.HandleFunc("POST /echo", func(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) })
	mux.HandleFunc("/events", func(w http.ResponseWriter, r *http.Request) { events(w, r, 3) })
	mux.HandleFunc("/endless", func(w http.ResponseWriter, r *http.Request) { events(w, r, 1); <-r.Context().Done() })
	server := &http.Server{Handler: otelhttp.NewHandler(mux, "server")}
	stop, stopped := make(chan os.Signal, 1), make(chan struct{})
	signal.Notify(stop, syscall.SIGTERM)
	go func() {
		<-stop
		check(server.Shutdown(context.Background()))
		close(stopped)
	}()
	check(json.NewEncoder(os.Stdout).Encode(map[string]int{"port": listener.Addr().(*net.TCPAddr).Port}))
	if err := server.Serve(listener); err != http.ErrServerClosed {
		check(err)
	}
	<-stopped
}

func events(w http.ResponseWriter, r *http.Request, number int) {
	w.Header().Set("Content-Type", "text/event-stream")
	for range number {
		io.WriteString(w, "data: 0\n\n")
		check(http.NewResponseController(w).Flush())
		time.Sleep(50 * time.Millisecond)
	}
}

func callHTTP(address string, scenarios []string) {
	for _, scenario := range scenarios {
		ctx, span := otel.Tracer("peer").Start(context.Background(), scenario)
		status, err := send(ctx, address, scenario)
		check(err)
		span.End()
		check(json.NewEncoder(os.Stdout).Encode(map[string]any{
			"scenario": scenario, "status": status, "trace_id": span.SpanContext().TraceID().String(),
		}))
	}
}

// Reads the response to its end; of an endless one, the first piece.
func send(ctx context.Context, address, scenario string) (int, error) {
	method, path, body := "GET", "/items/7?color=red", io.Reader(nil)
	switch scenario {
	case "post":
		method, path, body = "POST", "/echo", strings.NewReader("four")
	case "head":
		method, path = "HEAD", "/items/7"
	case "missing":
		path = "/nowhere"
	case "error":
		path = "/status/500"
	case "events":
		path = "/events"
	case "leave":
		path = "/endless"
	}
	request, err := http.NewRequestWithContext(ctx, method, "http://"+address+path, body)
	if err != nil {
		return 0, err
	}
	client := http.Client{Transport: otelhttp.NewTransport(http.DefaultTransport)}
	response, err := client.Do(request)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	if scenario == "leave" {
		_, err = response.Body.Read(make([]byte, 1))
	} else {
		_, err = io.Copy(io.Discard, response.Body)
	}
	return response.StatusCode, err
}
