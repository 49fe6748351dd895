// Command peer is the service of peer.proto and its client in Go: `peer serve`, until SIGTERM, and
// `peer call ADDRESS SCENARIO...`; `serve-http` and `call-http` are the same over HTTP. The first argument names the
// encoded descriptor set of peer.proto.
package main

import (
	"context"
	"fmt"
	"log"
	"os"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"

	"go.opentelemetry.io/otel/attribute"
)

func main() {
	if len(os.Args) < 3 {
		log.Fatal("usage: peer DESCRIPTOR_SET (serve | call ADDRESS SCENARIO... | serve-http | call-http ADDRESS SCENARIO...)")
	}
	types, err := load(os.Args[1])
	check(err)
	stop := start("go-peer")
	switch os.Args[2] {
	case "serve":
		serve(types)
	case "call":
		call(types, os.Args[3], os.Args[4:])
	case "serve-http":
		serveHTTP()
	case "call-http":
		callHTTP(os.Args[3], os.Args[4:])
	}
	stop()
}

// Where to send comes from the environment.
func start(name string) func() {
	ctx := context.Background()
	exporter, err := otlptracegrpc.New(ctx)
	check(err)
	provider := sdktrace.NewTracerProvider(
		sdktrace.WithBatcher(exporter),
		sdktrace.WithResource(resource.NewSchemaless(attribute.String("service.name", name))),
	)
	otel.SetTracerProvider(provider)
	otel.SetTextMapPropagator(propagation.NewCompositeTextMapPropagator(
		propagation.TraceContext{}, propagation.Baggage{},
	))
	return func() { check(provider.Shutdown(ctx)) }
}

// types are the messages of the service, without generated code.
type types struct {
	ask, answer protoreflect.MessageDescriptor
}

func load(path string) (types, error) {
	var set descriptorpb.FileDescriptorSet
	bytes, err := os.ReadFile(path)
	if err != nil {
		return types{}, err
	}
	if err := proto.Unmarshal(bytes, &set); err != nil {
		return types{}, err
	}
	files, err := protodesc.NewFiles(&set)
	if err != nil {
		return types{}, err
	}
	file, err := files.FindFileByPath("peer.proto")
	if err != nil {
		return types{}, err
	}
	return types{file.Messages().ByName("Ask"), file.Messages().ByName("Answer")}, nil
}

type ask struct {
	messages     uint32
	end, message string
	size         uint32
}

func (t types) newAsk(a ask) *dynamicpb.Message {
	m := dynamicpb.NewMessage(t.ask)
	fields := t.ask.Fields()
	m.Set(fields.ByName("messages"), protoreflect.ValueOfUint32(a.messages))
	m.Set(fields.ByName("end"), protoreflect.ValueOfString(a.end))
	m.Set(fields.ByName("message"), protoreflect.ValueOfString(a.message))
	m.Set(fields.ByName("size"), protoreflect.ValueOfUint32(a.size))
	return m
}

func (t types) read(m *dynamicpb.Message) ask {
	fields := t.ask.Fields()
	return ask{
		messages: uint32(m.Get(fields.ByName("messages")).Uint()),
		end:      m.Get(fields.ByName("end")).String(),
		message:  m.Get(fields.ByName("message")).String(),
		size:     uint32(m.Get(fields.ByName("size")).Uint()),
	}
}

func (t types) newAnswer(size uint32) *dynamicpb.Message {
	m := dynamicpb.NewMessage(t.answer)
	m.Set(t.answer.Fields().ByName("payload"), protoreflect.ValueOfBytes(make([]byte, size)))
	return m
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
