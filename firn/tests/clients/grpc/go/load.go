package main

// Many messages at once, and a server that goes and comes back.

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	rmq "github.com/apache/rocketmq-clients/golang/v5"
)

const (
	messages  = 500
	inFlight  = 64
	receivers = 4
	// Messages to be answered on each side of the restart.
	perSide = 20
)

// A set of bodies, and how often each was put in.
type bag struct {
	lock  sync.Mutex
	times map[string]int
}

func newBag() *bag {
	return &bag{times: map[string]int{}}
}

func (it *bag) add(body string) {
	it.lock.Lock()
	defer it.lock.Unlock()
	it.times[body]++
}

func (it *bag) has(body string) bool {
	it.lock.Lock()
	defer it.lock.Unlock()
	return it.times[body] > 0
}

func (it *bag) size() int {
	it.lock.Lock()
	defer it.lock.Unlock()
	return len(it.times)
}

func (it *bag) bodies() []string {
	it.lock.Lock()
	defer it.lock.Unlock()
	var all []string
	for body := range it.times {
		all = append(all, body)
	}
	return all
}

func concurrent() error {
	p, c, err := pair("concurrent", rmq.SUB_ALL)
	if err != nil {
		return err
	}
	defer p.GracefulStop()
	defer c.GracefulStop()
	seen, failures := newBag(), make(chan error, inFlight+receivers)
	var next atomic.Int32
	for range inFlight {
		go func() {
			for n := next.Add(1); n <= messages; n = next.Add(1) {
				if _, err := send(p, message("t-concurrent", fmt.Sprint(n))); err != nil {
					failures <- err
					return
				}
			}
		}()
	}
	for range receivers {
		go func() {
			for seen.size() < messages {
				got, err := collect(c, 1, time.Second)
				if err != nil {
					failures <- err
					return
				}
				for _, view := range got {
					seen.add(string(view.GetBody()))
				}
			}
		}()
	}
	waitFor(func() bool { return seen.size() == messages || len(failures) > 0 }, 15*time.Second)
	if len(failures) > 0 {
		return <-failures
	}
	for body, times := range seen.times {
		if times != 1 {
			return fmt.Errorf("%s came %d times", body, times)
		}
	}
	return same(seen.size(), messages, "messages")
}

// A producer and a consumer of each kind live through it; what was answered arrives.
func serverRestart() error {
	answered, pushed, polled := newBag(), newBag(), newBag()
	p, c, err := pair("server-restart", rmq.SUB_ALL)
	if err != nil {
		return err
	}
	_, err = push("server-restart", func(view *rmq.MessageView) rmq.ConsumerResult {
		pushed.add(string(view.GetBody()))
		return rmq.SUCCESS
	})
	if err != nil {
		return err
	}
	var stop atomic.Bool
	go sendOn(p, answered, &stop)
	go pollOn(c, polled)
	state := func() string {
		return fmt.Sprintf("%d sent, %d pushed, %d polled", answered.size(), pushed.size(), polled.size())
	}
	before := func() bool { return answered.size() >= perSide && pushed.size() > 0 && polled.size() > 0 }
	if !waitFor(before, 20*time.Second) {
		return errors.New("before the restart: " + state())
	}

	fmt.Println("restart")
	line, err := bufio.NewReader(os.Stdin).ReadString('\n')
	if err != nil || strings.TrimSpace(line) != "restarted" {
		return fmt.Errorf("no restart: %q, %v", line, err)
	}

	sent, byPush, byPoll := answered.size(), pushed.size(), polled.size()
	after := func() bool {
		return answered.size() >= sent+perSide && pushed.size() > byPush && polled.size() > byPoll
	}
	if !waitFor(after, 20*time.Second) {
		return errors.New("after the restart: " + state())
	}
	stop.Store(true)
	var lost []string
	isComplete := waitFor(func() bool {
		lost = nil
		for _, body := range answered.bodies() {
			if !pushed.has(body) && !polled.has(body) {
				lost = append(lost, body)
			}
		}
		return len(lost) == 0
	}, 15*time.Second)
	if !isComplete {
		return fmt.Errorf("answered, and never received: %v", lost)
	}
	return nil
}

// A send that fails may have arrived or not; only those that were answered count.
func sendOn(p rmq.Producer, answered *bag, stop *atomic.Bool) {
	for n := 0; !stop.Load(); n++ {
		if _, err := send(p, message("t-server-restart", fmt.Sprint(n))); err != nil {
			fmt.Fprintln(os.Stderr, "send:", err)
		} else {
			answered.add(fmt.Sprint(n))
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func pollOn(c rmq.SimpleConsumer, polled *bag) {
	for {
		got, err := receive(c, 5*time.Second)
		if err != nil {
			fmt.Fprintln(os.Stderr, "receive:", err)
			time.Sleep(200 * time.Millisecond)
		}
		for _, view := range got {
			polled.add(string(view.GetBody()))
			if err := c.Ack(background, view); err != nil {
				fmt.Fprintln(os.Stderr, "ack:", err)
			}
		}
	}
}
