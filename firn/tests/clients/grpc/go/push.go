package main

// Push consumers, and what becomes of messages that they fail.

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	rmq "github.com/apache/rocketmq-clients/golang/v5"
)

// A failed message comes again after 10 s.
const retryTime = 20 * time.Second

func pushConsumer() error {
	var lock sync.Mutex
	seen, twice, running, together := map[string]bool{}, false, 0, 0
	_, err := push("push-consumer", func(view *rmq.MessageView) rmq.ConsumerResult {
		lock.Lock()
		body := string(view.GetBody())
		twice = twice || seen[body]
		seen[body] = true
		running++
		together = max(together, running)
		lock.Unlock()
		time.Sleep(20 * time.Millisecond)
		lock.Lock()
		running--
		lock.Unlock()
		return rmq.SUCCESS
	})
	if err != nil {
		return err
	}
	p, err := producer("t-push-consumer")
	if err != nil {
		return err
	}
	defer p.GracefulStop()
	for n := range 50 {
		if _, err := send(p, message("t-push-consumer", fmt.Sprint(n))); err != nil {
			return err
		}
	}
	waitFor(func() bool {
		lock.Lock()
		defer lock.Unlock()
		return len(seen) == 50
	}, 15*time.Second)
	waitFor(func() bool {
		lock.Lock()
		defer lock.Unlock()
		return twice
	}, time.Second)
	lock.Lock()
	defer lock.Unlock()
	if len(seen) != 50 || twice || together < 2 {
		return fmt.Errorf("%d messages, twice: %v, %d at a time", len(seen), twice, together)
	}
	return nil
}

func redelivery() error {
	tries, err := failing("redelivery", 1)
	if err != nil {
		return err
	}
	return same(tries.attempts(2, retryTime), []int32{1, 2}, "attempts")
}

func deadLetter() error {
	tries, err := failing("dead-letter", 1000)
	if err != nil {
		return err
	}
	tries.attempts(2, retryTime)
	letters := ""
	isThere := waitFor(func() bool {
		letters = deadLetters()
		return strings.Contains(letters, tries.id)
	}, 5*time.Second)
	if !isThere {
		return fmt.Errorf("dead letters: %s", letters)
	}
	return same(tries.attempts(3, 0), []int32{1, 2}, "attempts")
}

// What a listener saw of one message.
type tries struct {
	id   string
	lock sync.Mutex
	seen []int32
}

// The attempts, once there are as many or the time is over.
func (it *tries) attempts(wanted int, within time.Duration) []int32 {
	seen := func() []int32 {
		it.lock.Lock()
		defer it.lock.Unlock()
		return append([]int32{}, it.seen...)
	}
	waitFor(func() bool { return len(seen()) >= wanted }, within)
	return seen()
}

// Sends a message to a push consumer that fails it so often.
func failing(feature string, times int) (*tries, error) {
	it := &tries{}
	_, err := push(feature, func(view *rmq.MessageView) rmq.ConsumerResult {
		it.lock.Lock()
		defer it.lock.Unlock()
		it.seen = append(it.seen, view.GetDeliveryAttempt())
		if len(it.seen) <= times {
			return rmq.FAILURE
		}
		return rmq.SUCCESS
	})
	if err != nil {
		return nil, err
	}
	p, err := producer("t-" + feature)
	if err != nil {
		return nil, err
	}
	defer p.GracefulStop()
	it.id, err = send(p, message("t-"+feature, "again"))
	return it, err
}

// The group's dead letters are a topic like any other, here seen by HTTP.
func deadLetters() string {
	place := os.Getenv("FIRN_HTTP") + "/v1/instances/demo/topics/%25DLQ%25g-dead-letter/peek"
	request, err := http.NewRequest(http.MethodGet, place, nil)
	if err != nil {
		return err.Error()
	}
	request.SetBasicAuth("demo", "demo-secret")
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err.Error()
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return err.Error()
	}
	return string(text)
}
