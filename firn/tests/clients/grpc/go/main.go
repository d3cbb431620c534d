// What a program does that uses github.com/apache/rocketmq-clients/golang/v5. Started by
// run.py. `bench SECONDS IN_FLIGHT BODY_BYTES` measures one producer instead.
package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

const featureTime = 25 * time.Second

// A feature works, or gives the reason why it does not.
type feature func() error

// What the library has no such thing for.
var unsupported = map[string]string{
	"recall": "a receipt has no recall handle and a producer no call to recall",
}

var features = map[string]feature{
	"normal":               normal,
	"properties":           properties,
	"bodies":               bodies,
	"tags":                 tags,
	"sql92":                sql92,
	"batch_receive":        batchReceive,
	"fifo":                 fifo,
	"delay":                delay,
	"transaction_commit":   transactionCommit,
	"transaction_rollback": transactionRollback,
	"transaction_check":    transactionCheck,
	"change_invisible":     changeInvisible,
	"push_consumer":        pushConsumer,
	"redelivery":           redelivery,
	"dead_letter":          deadLetter,
	"wrong_secret":         wrongSecret,
	"unknown_topic":        unknownTopic,
	"topic_without_right":  topicWithoutRight,
	"wrong_type":           wrongType,
	"concurrent":           concurrent,
	"server_restart":       serverRestart,
}

func main() {
	if len(os.Args) == 5 && os.Args[1] == "bench" {
		var numbers [3]int
		for n, text := range os.Args[2:] {
			number, err := strconv.Atoi(text)
			if err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(2)
			}
			numbers[n] = number
		}
		if err := bench(time.Duration(numbers[0])*time.Second, numbers[1], numbers[2]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	tryAll(strings.Fields(os.Getenv("FIRN_FEATURES")))
}

// Features wait far more than they work, so all but the restart run at once.
func tryAll(names []string) {
	results := map[string]chan error{}
	for _, name := range names {
		if name != "server_restart" && features[name] != nil {
			results[name] = start(features[name])
		}
	}
	end := time.After(featureTime)
	for _, name := range names {
		if why, is := unsupported[name]; is {
			fmt.Println("unsupported", name, why)
			continue
		}
		if name == "server_restart" {
			results[name] = start(features[name])
			end = time.After(featureTime)
		}
		tell(name, results[name], end)
	}
}

func start(try feature) chan error {
	result := make(chan error, 1)
	go func() {
		defer func() {
			if panicked := recover(); panicked != nil {
				result <- fmt.Errorf("panic: %v", panicked)
			}
		}()
		result <- try()
	}()
	return result
}

func tell(name string, result chan error, end <-chan time.Time) {
	select {
	case err := <-result:
		if err == nil {
			fmt.Println("ok", name)
		} else {
			fmt.Println("failed", name, oneLine(err.Error()))
		}
		return
	case <-end:
	}
	fmt.Println("failed", name, "not done within", featureTime)
}

func oneLine(text string) string {
	line := []rune(strings.Join(strings.Fields(text), " "))
	return string(line[:min(len(line), 300)])
}
