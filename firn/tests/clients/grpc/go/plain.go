package main

// Sending, and receiving with a simple consumer.

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand"
	"slices"
	"time"

	rmq "github.com/apache/rocketmq-clients/golang/v5"
)

func normal() error {
	p, c, err := pair("normal", rmq.SUB_ALL)
	if err != nil {
		return err
	}
	defer p.GracefulStop()
	defer c.GracefulStop()
	sent, got := map[string]string{}, map[string]string{}
	for _, body := range []string{"one", "two", "three"} {
		id, err := send(p, message("t-normal", body))
		if err != nil {
			return err
		}
		sent[id] = body
	}
	for end := time.Now().Add(15 * time.Second); len(got) < 3 && time.Now().Before(end); {
		views, err := receive(c, 3*time.Second)
		if err != nil {
			return err
		}
		for _, view := range views {
			if view.GetTopic() != "t-normal" || view.GetDeliveryAttempt() != 1 {
				return fmt.Errorf("attempt %d in topic %s", view.GetDeliveryAttempt(), view.GetTopic())
			}
			if err := c.Ack(background, view); err != nil {
				return err
			}
			got[view.GetMessageId()] = string(view.GetBody())
		}
	}
	if err := same(got, sent, "bodies by id"); err != nil {
		return err
	}
	// Ack says nothing of a refusal, so that one has to look.
	return nothing(c, 4*time.Second, "acknowledged, and it came again")
}

func properties() error {
	p, c, err := pair("properties", rmq.SUB_ALL)
	if err != nil {
		return err
	}
	defer p.GracefulStop()
	defer c.GracefulStop()
	m := message("t-properties", "x")
	m.SetTag("red")
	m.SetKeys("order-1", "order-2")
	m.AddProperty("colour", "grün")
	m.AddProperty("size", "42")
	if _, err := send(p, m); err != nil {
		return err
	}
	got, err := collect(c, 1, 15*time.Second)
	if err != nil {
		return err
	}
	if len(got) != 1 || got[0].GetTag() == nil {
		return fmt.Errorf("%d messages, or no tag", len(got))
	}
	keys := slices.Sorted(slices.Values(got[0].GetKeys()))
	return errors.Join(
		same(*got[0].GetTag(), "red", "tag"),
		same(keys, []string{"order-1", "order-2"}, "keys"),
		same(got[0].GetProperties(), map[string]string{"colour": "grün", "size": "42"}, "properties"))
}

func bodies() error {
	p, c, err := pair("bodies", rmq.SUB_ALL)
	if err != nil {
		return err
	}
	defer p.GracefulStop()
	defer c.GracefulStop()
	everyByte := make([]byte, 256)
	for value := range everyByte {
		everyByte[value] = byte(value)
	}
	random := make([]byte, 200*1024)
	rand.New(rand.NewSource(7)).Read(random)
	all := map[string][]byte{
		"one byte":     {0},
		"every byte":   everyByte,
		"text":         []byte("äöü 消息 😀"),
		"random":       random,
		"compressible": bytes.Repeat([]byte("x"), 64*1024),
	}
	for name, body := range all {
		m := &rmq.Message{Topic: "t-bodies", Body: body}
		m.AddProperty("name", name)
		if _, err := send(p, m); err != nil {
			return err
		}
	}
	got, err := collect(c, len(all), 15*time.Second)
	if err != nil {
		return err
	}
	seen := map[string]bool{}
	for _, view := range got {
		name := view.GetProperties()["name"]
		if !bytes.Equal(view.GetBody(), all[name]) {
			return fmt.Errorf("%q is another body", name)
		}
		seen[name] = true
	}
	return same(slices.Sorted(maps.Keys(seen)), slices.Sorted(maps.Keys(all)), "bodies")
}

func tags() error {
	p, c, err := pair("tags", rmq.NewFilterExpression("A || B"))
	if err != nil {
		return err
	}
	defer p.GracefulStop()
	defer c.GracefulStop()
	for _, tag := range []string{"C", "A", "AB", "B", ""} {
		m := message("t-tags", tag+"!")
		if tag != "" {
			m.SetTag(tag)
		}
		if _, err := send(p, m); err != nil {
			return err
		}
	}
	return onlyThese(c, "A!", "B!")
}

func sql92() error {
	filter := rmq.NewFilterExpressionWithType("price > 5 AND region = 'eu'", rmq.SQL92)
	p, c, err := pair("sql92", filter)
	if err != nil {
		return err
	}
	defer p.GracefulStop()
	defer c.GracefulStop()
	if _, err := send(p, message("t-sql92", "none")); err != nil {
		return err
	}
	for _, offer := range [][2]string{{"5", "eu"}, {"7", "us"}, {"7", "eu"}, {"10", "eu"}, {"3", "us"}} {
		m := message("t-sql92", offer[0]+offer[1])
		m.AddProperty("price", offer[0])
		m.AddProperty("region", offer[1])
		if _, err := send(p, m); err != nil {
			return err
		}
	}
	return onlyThese(c, "10eu", "7eu")
}

// These come, and no others.
func onlyThese(c rmq.SimpleConsumer, wanted ...string) error {
	got, err := collect(c, len(wanted), 15*time.Second)
	if err != nil {
		return err
	}
	var found []string
	for _, view := range got {
		found = append(found, string(view.GetBody()))
	}
	slices.Sort(found)
	if err := same(found, wanted, "bodies"); err != nil {
		return err
	}
	return nothing(c, 2*time.Second, "another came")
}

func batchReceive() error {
	p, c, err := pair("batch-receive", rmq.SUB_ALL)
	if err != nil {
		return err
	}
	defer p.GracefulStop()
	defer c.GracefulStop()
	for n := range 20 {
		if _, err := send(p, message("t-batch-receive", fmt.Sprint(n))); err != nil {
			return err
		}
	}
	seen, sizes := map[string]bool{}, []int{0}
	for end := time.Now().Add(15 * time.Second); len(seen) < 20 && time.Now().Before(end); {
		got, err := receive(c, longEnough)
		if err != nil {
			return err
		}
		for _, view := range got {
			if seen[string(view.GetBody())] {
				return fmt.Errorf("%s came twice", view.GetBody())
			}
			seen[string(view.GetBody())] = true
			if err := c.Ack(background, view); err != nil {
				return err
			}
		}
		sizes = append(sizes, len(got))
	}
	if largest := slices.Max(sizes); len(seen) != 20 || largest < 2 || largest > 16 {
		return fmt.Errorf("%d messages in receives of %v", len(seen), sizes)
	}
	return nil
}

func changeInvisible() error {
	p, c, err := pair("change-invisible", rmq.SUB_ALL)
	if err != nil {
		return err
	}
	defer p.GracefulStop()
	defer c.GracefulStop()
	if _, err := send(p, message("t-change-invisible", "later")); err != nil {
		return err
	}
	first, err := receiveOne(c, 2*time.Second)
	if err != nil {
		return err
	}
	changed := time.Now()
	if err := c.ChangeInvisibleDuration(first, 6*time.Second); err != nil {
		return err
	}
	second, err := receiveOne(c, longEnough)
	if err != nil {
		return err
	}
	if after := time.Since(changed); after < 5500*time.Millisecond {
		return fmt.Errorf("it came again after %v, not 6 s", after)
	}
	return errors.Join(
		same(second.GetMessageId(), first.GetMessageId(), "id"),
		same(second.GetDeliveryAttempt(), 2, "attempt"),
		c.Ack(background, second))
}

func receiveOne(c rmq.SimpleConsumer, invisible time.Duration) (*rmq.MessageView, error) {
	for end := time.Now().Add(15 * time.Second); time.Now().Before(end); {
		got, err := receive(c, invisible)
		if err != nil {
			return nil, err
		}
		if len(got) > 0 {
			return got[0], nil
		}
	}
	return nil, errors.New("no message")
}
