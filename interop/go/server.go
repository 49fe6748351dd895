package main

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"net"
	"os"
	"os/signal"
	"strconv"
	"syscall"

	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/dynamicpb"
)

func serve(t types) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	server := grpc.NewServer(grpc.StatsHandler(otelgrpc.NewServerHandler()))
	server.RegisterService(&grpc.ServiceDesc{
		ServiceName: "test.Test",
		HandlerType: (*any)(nil),
		Methods:     []grpc.MethodDesc{{MethodName: "Unary", Handler: t.unary}},
		Streams: []grpc.StreamDesc{
			{StreamName: "ClientStream", Handler: t.clientStream, ClientStreams: true},
			{StreamName: "ServerStream", Handler: t.answers, ServerStreams: true},
			{StreamName: "Bidi", Handler: t.answers, ClientStreams: true, ServerStreams: true},
		},
	}, nil)
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	go func() {
		<-stop
		server.GracefulStop()
	}()
	check(json.NewEncoder(os.Stdout).Encode(map[string]int{"port": listener.Addr().(*net.TCPAddr).Port}))
	check(server.Serve(listener))
}

func (t types) unary(
	_ any, ctx context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor,
) (any, error) {
	m := dynamicpb.NewMessage(t.ask)
	if err := decode(m); err != nil {
		return nil, err
	}
	noteMetadata(ctx)
	return t.end(ctx, t.read(m))
}

func (t types) clientStream(_ any, stream grpc.ServerStream) error {
	asks, err := t.all(stream)
	if err != nil {
		return err
	}
	answer, err := t.end(stream.Context(), asks[len(asks)-1])
	if err != nil {
		return err
	}
	return stream.SendMsg(answer)
}

func (t types) answers(_ any, stream grpc.ServerStream) error {
	m := dynamicpb.NewMessage(t.ask)
	if err := stream.RecvMsg(m); err != nil {
		return err
	}
	a := t.read(m)
	for range a.messages {
		if err := stream.SendMsg(t.newAnswer(a.size)); err != nil {
			return err
		}
	}
	_, err := t.end(stream.Context(), a)
	return err
}

func (t types) all(stream grpc.ServerStream) (asks []ask, err error) {
	for {
		m := dynamicpb.NewMessage(t.ask)
		if stream.RecvMsg(m) != nil {
			break
		}
		asks = append(asks, t.read(m))
	}
	if len(asks) == 0 {
		return nil, status.Error(codes.InvalidArgument, "no message")
	}
	return asks, nil
}

func (t types) end(ctx context.Context, a ask) (any, error) {
	switch a.end {
	case "ok":
		return t.newAnswer(a.size), nil
	case "hang":
		<-ctx.Done()
		return nil, status.FromContextError(ctx.Err()).Err()
	default:
		code, err := strconv.Atoi(a.end)
		if err != nil {
			return nil, err
		}
		return nil, status.Error(codes.Code(code), a.message)
	}
}

// On the server's span, so that the receiver sees what arrived.
func noteMetadata(ctx context.Context) {
	received, _ := metadata.FromIncomingContext(ctx)
	var binary, empty []string
	for _, value := range received["data-bin"] {
		binary = append(binary, hex.EncodeToString([]byte(value)))
	}
	for key, values := range received {
		for _, value := range values {
			if value == "" {
				empty = append(empty, key)
			}
		}
	}
	trace.SpanFromContext(ctx).SetAttributes(
		attribute.StringSlice("received.k", received["k"]),
		attribute.StringSlice("received.data-bin", binary),
		attribute.StringSlice("received.empty", empty),
	)
}
