package main

// Message groups, with both kinds of consumers: each in order, also when one message fails.

import (
	"fmt"
	"sync"
	"time"

	rmq "github.com/apache/rocketmq-clients/golang/v5"
)

var (
	groups  = []string{"red", "green", "blue"}
	inOrder = []string{"0", "1", "2", "3", "4"}
)

func fifo() error {
	p, err := producer("t-fifo")
	if err != nil {
		return err
	}
	defer p.GracefulStop()
	for _, try := range []func() error{putOneOff, failOne} {
		for _, body := range inOrder {
			for _, group := range groups {
				m := message("t-fifo", body)
				m.SetMessageGroup(group)
				if _, err := send(p, m); err != nil {
					return err
				}
			}
		}
		if err := try(); err != nil {
			return err
		}
	}
	return nil
}

// A simple consumer puts green's second message off, for longer than what is behind it.
func putOneOff() error {
	c, err := consumer("fifo", rmq.SUB_ALL)
	if err != nil {
		return err
	}
	defer c.GracefulStop()
	done, count, isPutOff := map[string][]string{}, 0, false
	for end := time.Now().Add(12 * time.Second); count < 15 && time.Now().Before(end); {
		got, err := receive(c, 2*time.Second)
		if err != nil {
			return err
		}
		waiting := map[string]bool{}
		for _, view := range got {
			group, body := *view.GetMessageGroup(), string(view.GetBody())
			if !isPutOff && group == "green" && body == "1" {
				isPutOff, waiting[group] = true, true
				if err := c.ChangeInvisibleDuration(view, 4*time.Second); err != nil {
					return err
				}
			}
			if waiting[group] {
				continue
			}
			if err := c.Ack(background, view); err != nil {
				return err
			}
			done[group] = append(done[group], body)
			count++
		}
	}
	return checkOrder(done, "simple consumer")
}

// A push consumer fails blue's third message once; the library tries it again by itself.
func failOne() error {
	var lock sync.Mutex
	done, tries, count := map[string][]string{}, map[string]int{}, 0
	_, err := push("fifo", func(view *rmq.MessageView) rmq.ConsumerResult {
		lock.Lock()
		defer lock.Unlock()
		group, body := *view.GetMessageGroup(), string(view.GetBody())
		tries[group+body]++
		if group == "blue" && body == "2" && tries[group+body] == 1 {
			return rmq.FAILURE
		}
		done[group] = append(done[group], body)
		count++
		return rmq.SUCCESS
	})
	if err != nil {
		return err
	}
	waitFor(func() bool {
		lock.Lock()
		defer lock.Unlock()
		return count >= 15
	}, 12*time.Second)
	lock.Lock()
	defer lock.Unlock()
	if tries["blue2"] != 2 || len(tries) != 15 {
		return fmt.Errorf("tries: %v", tries)
	}
	return checkOrder(done, "push consumer")
}

func checkOrder(done map[string][]string, who string) error {
	for _, group := range groups {
		if err := same(done[group], inOrder, who+", "+group); err != nil {
			return err
		}
	}
	return nil
}
