package main

// How clients are made, and what is done with them everywhere.

import (
	"context"
	"fmt"
	"os"
	"time"

	rmq "github.com/apache/rocketmq-clients/golang/v5"
	"github.com/apache/rocketmq-clients/golang/v5/credentials"
	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
)

const (
	// The library adds its 3 s for a call: an empty receive takes as long as both.
	awaitTime   = time.Second
	longEnough  = 30 * time.Second
	pushThreads = 8
)

var background = context.Background()

func init() {
	// The library uses TLS unless told otherwise, and trusts any certificate.
	rmq.EnableSsl = os.Getenv("FIRN_TLS") != "0"
}

func configOf(accessKey, secretKey, group string) *rmq.Config {
	return &rmq.Config{
		Endpoint:      os.Getenv("FIRN_GRPC"),
		NameSpace:     "demo",
		ConsumerGroup: group,
		Credentials:   &credentials.SessionCredentials{AccessKey: accessKey, AccessSecret: secretKey},
	}
}

func config(group string) *rmq.Config {
	return configOf("demo", "demo-secret", group)
}

// A producer has to name a topic: without one its start never returns.
func producer(topic string, options ...rmq.ProducerOption) (rmq.Producer, error) {
	made, err := rmq.NewProducer(config(""), append(options, rmq.WithTopics(topic))...)
	if err != nil {
		return nil, err
	}
	return made, made.Start()
}

func consumer(feature string, filter *rmq.FilterExpression) (rmq.SimpleConsumer, error) {
	made, err := rmq.NewSimpleConsumer(config("g-"+feature), rmq.WithSimpleAwaitDuration(awaitTime),
		rmq.WithSimpleSubscriptionExpressions(map[string]*rmq.FilterExpression{"t-" + feature: filter}))
	if err != nil {
		return nil, err
	}
	return made, made.Start()
}

// Most features have one producer and one consumer.
func pair(feature string, filter *rmq.FilterExpression) (rmq.Producer, rmq.SimpleConsumer, error) {
	p, err := producer("t-" + feature)
	if err != nil {
		return nil, nil, err
	}
	c, err := consumer(feature, filter)
	return p, c, err
}

// Stopping a push consumer waits for its long poll, up to 20 s, so nobody waits for it here.
func push(feature string, listener func(*rmq.MessageView) rmq.ConsumerResult) (rmq.PushConsumer, error) {
	made, err := rmq.NewPushConsumer(config("g-"+feature),
		rmq.WithPushSubscriptionExpressions(map[string]*rmq.FilterExpression{"t-" + feature: rmq.SUB_ALL}),
		rmq.WithPushConsumptionThreadCount(pushThreads),
		rmq.WithPushMessageListener(&rmq.FuncMessageListener{Consume: listener}))
	if err != nil {
		return nil, err
	}
	return made, made.Start()
}

func message(topic, body string) *rmq.Message {
	return &rmq.Message{Topic: topic, Body: []byte(body)}
}

// Sends one message and gives its id.
func send(p rmq.Producer, m *rmq.Message) (string, error) {
	receipts, err := p.Send(background, m)
	if err != nil {
		return "", err
	}
	return receipts[0].MessageID, nil
}

// That there is nothing is an error to the library.
func receive(c rmq.SimpleConsumer, invisible time.Duration) ([]*rmq.MessageView, error) {
	got, err := c.Receive(background, 16, invisible)
	if status, is := rmq.AsErrRpcStatus(err); is && status.GetCode() == int32(v2.Code_MESSAGE_NOT_FOUND) {
		return nil, nil
	}
	return got, err
}

// Receives and acknowledges until there are as many, or the time is over.
func collect(c rmq.SimpleConsumer, wanted int, within time.Duration) ([]*rmq.MessageView, error) {
	var all []*rmq.MessageView
	for end := time.Now().Add(within); len(all) < wanted && time.Now().Before(end); {
		got, err := receive(c, longEnough)
		if err != nil {
			return nil, err
		}
		for _, view := range got {
			if err := c.Ack(background, view); err != nil {
				return nil, err
			}
			all = append(all, view)
		}
	}
	return all, nil
}

// Nothing comes while one looks.
func nothing(c rmq.SimpleConsumer, within time.Duration, why string) error {
	got, err := collect(c, 1, within)
	if err != nil {
		return err
	}
	if len(got) > 0 {
		return fmt.Errorf("%s: %q", why, got[0].GetBody())
	}
	return nil
}

func waitFor(condition func() bool, within time.Duration) bool {
	for end := time.Now().Add(within); !condition(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			return false
		}
	}
	return true
}

func same(got, wanted any, what string) error {
	if g, w := fmt.Sprint(got), fmt.Sprint(wanted); g != w {
		return fmt.Errorf("%s: %s, not %s", what, g, w)
	}
	return nil
}
