package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"strings"
	"time"

	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"
	"go.opentelemetry.io/otel"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/dynamicpb"
)

type client struct {
	types
	conn *grpc.ClientConn
}

// call makes the calls of peer/scenarios.rs and prints a line for each.
func call(t types, address string, scenarios []string) {
	conn, err := grpc.NewClient(address,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithStatsHandler(otelgrpc.NewClientHandler()),
	)
	check(err)
	defer conn.Close()
	for _, scenario := range scenarios {
		ctx, span := otel.Tracer("peer").Start(context.Background(), scenario)
		messages, err := client{t, conn}.make(ctx, scenario)
		span.End()
		check(json.NewEncoder(os.Stdout).Encode(map[string]any{
			"scenario": scenario,
			"code":     uint32(status.Code(err)),
			"messages": messages,
			"trace_id": span.SpanContext().TraceID().String(),
		}))
	}
}

func (c client) make(ctx context.Context, scenario string) (int, error) {
	switch scenario {
	case "unknown-method":
		return c.unary(ctx, "Nothing", ask{end: "ok"})
	case "too-large":
		return c.unary(ctx, "Unary", ask{end: "ok", message: strings.Repeat("x", 5_000_000)})
	case "deadline":
		ctx, cancel := context.WithTimeout(ctx, 150*time.Millisecond)
		defer cancel()
		return c.unary(ctx, "Unary", ask{end: "hang"})
	case "metadata":
		ctx = metadata.AppendToOutgoingContext(ctx, "k", "1", "k", "2", "data-bin", "\x00\xff")
		return c.unary(ctx, "Unary", ask{end: "ok"})
	case "stream":
		return c.stream(ctx, "ServerStream", []ask{{messages: 3, end: "ok"}}, nil)
	case "stream-error":
		return c.stream(ctx, "ServerStream", []ask{{messages: 3, end: "14", message: "as requested"}}, nil)
	case "cancel":
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		return c.stream(ctx, "ServerStream", []ask{{messages: 1, end: "hang"}}, cancel)
	case "client-stream":
		return c.stream(ctx, "ClientStream", []ask{{end: "ok"}, {end: "ok"}, {end: "ok"}}, nil)
	case "bidi":
		return c.stream(ctx, "Bidi", []ask{{messages: 2, end: "ok"}, {messages: 2, end: "ok"}}, nil)
	default:
		return c.unary(ctx, "Unary", ask{end: scenario, message: "as requested"})
	}
}

func (c client) unary(ctx context.Context, method string, a ask) (int, error) {
	err := c.conn.Invoke(ctx, "/test.Test/"+method, c.newAsk(a), dynamicpb.NewMessage(c.answer))
	if err != nil {
		return 0, err
	}
	return 1, nil
}

// stream sends all and reads to the end; afterFirst, if there is one, is called after the first message.
func (c client) stream(ctx context.Context, method string, asks []ask, afterFirst func()) (int, error) {
	desc := &grpc.StreamDesc{ClientStreams: true, ServerStreams: method != "ClientStream"}
	stream, err := c.conn.NewStream(ctx, desc, "/test.Test/"+method)
	if err != nil {
		return 0, err
	}
	for _, a := range asks {
		err := stream.SendMsg(c.newAsk(a))
		if errors.Is(err, io.EOF) {
			break // the server has ended the call: its status comes with the next message
		}
		if err != nil {
			return 0, err
		}
	}
	if err := stream.CloseSend(); err != nil {
		return 0, err
	}
	for messages := 0; ; messages++ {
		err := stream.RecvMsg(dynamicpb.NewMessage(c.answer))
		if errors.Is(err, io.EOF) {
			return messages, nil
		}
		if err != nil {
			return messages, err
		}
		if !desc.ServerStreams {
			return 1, nil
		}
		if afterFirst != nil {
			afterFirst()
		}
	}
}
