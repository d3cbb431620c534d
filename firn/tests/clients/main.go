// What the Go library github.com/apache/rocketmq-clients/golang/v5 v5.1.2 does with the service at
// FIRN_GRPC; over TLS unless FIRN_TLS is 0.
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	rmq "github.com/apache/rocketmq-clients/golang/v5"
	"github.com/apache/rocketmq-clients/golang/v5/credentials"
)

var failed int

func check(name string, good bool, what ...any) {
	if good {
		fmt.Println("ok", name)
	} else {
		fmt.Println("FAIL", name, fmt.Sprint(what...))
		failed++
	}
}

func main() {
	os.Setenv("mq.consoleAppender.enabled", "false")
	rmq.ResetLogger()
	rmq.EnableSsl = os.Getenv("FIRN_TLS") != "0"
	cfg := func(group string) *rmq.Config {
		return &rmq.Config{Endpoint: os.Getenv("FIRN_GRPC"), ConsumerGroup: group, Credentials: &credentials.SessionCredentials{AccessKey: "demo", AccessSecret: "demo-secret"}}
	}
	run := fmt.Sprint("go", time.Now().UnixNano())
	p, err := rmq.NewProducer(cfg(""), rmq.WithTopics("normal", "fifo", "delay"))
	check("new producer", err == nil, err)
	check("start producer", p.Start() == nil)
	c, err := rmq.NewSimpleConsumer(cfg("g"), rmq.WithSimpleAwaitDuration(2*time.Second),
		rmq.WithSimpleSubscriptionExpressions(map[string]*rmq.FilterExpression{"normal": rmq.NewFilterExpression(run)}))
	check("new consumer", err == nil, err)
	err = c.Start()
	check("start consumer", err == nil, err)
	m := &rmq.Message{Topic: "normal", Body: []byte("hello")}
	m.SetTag(run)
	m.SetKeys("k")
	m.AddProperty("p", "v")
	r, err := p.Send(context.Background(), m)
	check("send", err == nil && len(r) == 1, err)
	got := 0
	for i := 0; i < 10 && got == 0; i++ {
		list, err := c.Receive(context.Background(), 16, 20*time.Second)
		if err != nil {
			fmt.Println("  receive:", err)
		}
		for _, v := range list {
			got++
			check("body and id", string(v.GetBody()) == "hello" && v.GetMessageId() == r[0].MessageID, v)
			check("property", v.GetProperties()["p"] == "v", v.GetProperties())
			check("ack", c.Ack(context.Background(), v) == nil)
		}
	}
	check("received", got == 1, got)
	fm := &rmq.Message{Topic: "fifo", Body: []byte("f")}
	fm.SetMessageGroup("x")
	fm.SetTag(run)
	_, err = p.Send(context.Background(), fm)
	check("send fifo", err == nil, err)
	dm := &rmq.Message{Topic: "delay", Body: []byte("d")}
	dm.SetDelayTimestamp(time.Now().Add(3 * time.Second))
	_, err = p.Send(context.Background(), dm)
	check("send delay", err == nil, err)
	c.GracefulStop()
	p.GracefulStop()
	bad := cfg("")
	bad.Credentials.AccessSecret = "wrong"
	q, err := rmq.NewProducer(bad, rmq.WithTopics("normal"))
	if err == nil {
		err = q.Start()
	}
	check("wrong secret", err != nil)
	fmt.Println("   told:", err)
	fmt.Println(failed, "failed")
	os.Exit(failed)
}
