package main

// What the service does not do, and how the library says so: a call that is refused gives
// an ErrRpcStatus with the code, a start only a text that names it.

import (
	"errors"
	"fmt"
	"strings"

	rmq "github.com/apache/rocketmq-clients/golang/v5"
	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
)

func wrongSecret() error {
	return refused("UNAUTHORIZED", start0(configOf("demo", "wrong", ""), "t-wrong-secret"))
}

func topicWithoutRight() error {
	limited := configOf("limited", "limited-secret", "")
	if err := start0(limited, "t-normal"); err != nil {
		return err
	}
	return refused("FORBIDDEN", start0(limited, "t-topic-without-right"))
}

func start0(config *rmq.Config, topic string) error {
	p, err := rmq.NewProducer(config, rmq.WithTopics(topic))
	if err != nil {
		return err
	}
	if err := p.Start(); err != nil {
		return err
	}
	return p.GracefulStop()
}

func unknownTopic() error {
	p, err := producer("t-normal")
	if err != nil {
		return err
	}
	defer p.GracefulStop()
	_, err = send(p, message("t-unknown-topic", "x"))
	status, is := rmq.AsErrRpcStatus(err)
	if !is || status.GetCode() != int32(v2.Code_TOPIC_NOT_FOUND) {
		return fmt.Errorf("another refusal: %v", err)
	}
	return nil
}

// The library knows from the route what a topic takes, and does not even send.
func wrongType() error {
	p, err := producer("t-wrong-type")
	if err != nil {
		return err
	}
	defer p.GracefulStop()
	m := message("t-wrong-type", "x")
	m.SetMessageGroup("red")
	_, err = send(p, m)
	return refused("message type not match", err)
}

func refused(how string, err error) error {
	if err == nil {
		return errors.New("it was not refused")
	}
	if !strings.Contains(err.Error(), how) {
		return fmt.Errorf("another refusal: %w", err)
	}
	return nil
}
