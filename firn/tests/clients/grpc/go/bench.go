package main

// What one producer sends in a second, and how long the answers take.

import (
	"fmt"
	"math/rand"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	rmq "github.com/apache/rocketmq-clients/golang/v5"
)

// The first sends make connections and caches, and do not count.
const warmUpTime = 5 * time.Second

func bench(duration time.Duration, inFlight, bodyBytes int) error {
	p, err := producer("t-concurrent")
	if err != nil {
		return err
	}
	defer p.GracefulStop()
	body := make([]byte, bodyBytes)
	rand.New(rand.NewSource(7)).Read(body)
	counted := time.Now().Add(warmUpTime)
	end := counted.Add(duration)
	times := make([][]time.Duration, inFlight)
	var failed atomic.Int64
	var senders sync.WaitGroup
	for n := range inFlight {
		senders.Add(1)
		go func() {
			defer senders.Done()
			for begun := time.Now(); begun.Before(end); begun = time.Now() {
				_, err := send(p, &rmq.Message{Topic: "t-concurrent", Body: body})
				done := time.Now()
				if err != nil {
					failed.Add(1)
				} else if done.After(counted) && done.Before(end) {
					times[n] = append(times[n], done.Sub(begun))
				}
			}
		}()
	}
	senders.Wait()
	all := slices.Concat(times...)
	slices.Sort(all)
	at := func(share float64) float64 {
		if len(all) == 0 {
			return 0
		}
		return float64(all[int(share*float64(len(all)-1))].Microseconds()) / 1000
	}
	fmt.Printf("go: %.0f messages/s, %d in flight, %d bytes; latency p50 %.2f ms, p99 %.2f ms, p99.9 %.2f ms; %d failed\n",
		float64(len(all))/duration.Seconds(), inFlight, bodyBytes, at(0.5), at(0.99), at(0.999), failed.Load())
	return nil
}
