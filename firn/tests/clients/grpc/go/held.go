package main

// Messages that are held back for a time, or until somebody decides.

import (
	"fmt"
	"sync/atomic"
	"time"

	rmq "github.com/apache/rocketmq-clients/golang/v5"
)

func delay() error {
	p, c, err := pair("delay", rmq.SUB_ALL)
	if err != nil {
		return err
	}
	defer p.GracefulStop()
	defer c.GracefulStop()
	due := time.Now().Add(2 * time.Second).Truncate(time.Millisecond)
	m := message("t-delay", "late")
	m.SetDelayTimestamp(due)
	if _, err := send(p, m); err != nil {
		return err
	}
	got, err := collect(c, 1, 15*time.Second)
	if err != nil {
		return err
	}
	late := time.Since(due)
	if len(got) != 1 || late < 0 || late > 8*time.Second {
		return fmt.Errorf("%d messages, %v after the time", len(got), late)
	}
	return same(got[0].GetDeliveryTimestamp().UnixMilli(), due.UnixMilli(), "its time")
}

func transactionCommit() error {
	return decided("transaction-commit", func(p rmq.Producer, c rmq.SimpleConsumer) error {
		transaction, err := begin(p, "t-transaction-commit", "paid")
		if err != nil {
			return err
		}
		if err := nothing(c, time.Second, "a half message was delivered"); err != nil {
			return err
		}
		return transaction.Commit()
	})
}

func transactionRollback() error {
	return decided("transaction-rollback", func(p rmq.Producer, _ rmq.SimpleConsumer) error {
		transaction, err := begin(p, "t-transaction-rollback", "unpaid")
		if err != nil {
			return err
		}
		if err := transaction.RollBack(); err != nil {
			return err
		}
		other, err := begin(p, "t-transaction-rollback", "paid")
		if err != nil {
			return err
		}
		return other.Commit()
	})
}

// Commit and RollBack say nothing of a refusal, so that one has to look at what arrives.
func decided(feature string, decide func(rmq.Producer, rmq.SimpleConsumer) error) error {
	p, c, err := pair(feature, rmq.SUB_ALL)
	if err != nil {
		return err
	}
	defer p.GracefulStop()
	defer c.GracefulStop()
	if err := decide(p, c); err != nil {
		return err
	}
	return onlyThese(c, "paid")
}

func begin(p rmq.Producer, topic, body string) (rmq.Transaction, error) {
	transaction := p.BeginTransaction()
	_, err := p.SendWithTransaction(background, message(topic, body), transaction)
	return transaction, err
}

// The program does not decide, so the server asks the producer's checker.
func transactionCheck() error {
	var asked atomic.Int32
	p, err := producer("t-transaction-check", rmq.WithTransactionChecker(&rmq.TransactionChecker{
		Check: func(half *rmq.MessageView) rmq.TransactionResolution {
			asked.Add(1)
			if string(half.GetBody()) != "open" {
				return rmq.ROLLBACK
			}
			return rmq.COMMIT
		},
	}))
	if err != nil {
		return err
	}
	defer p.GracefulStop()
	c, err := consumer("transaction-check", rmq.SUB_ALL)
	if err != nil {
		return err
	}
	defer c.GracefulStop()
	if _, err := begin(p, "t-transaction-check", "open"); err != nil {
		return err
	}
	if err := onlyThese(c, "open"); err != nil {
		return err
	}
	return same(asked.Load(), 1, "times asked")
}
