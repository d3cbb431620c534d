/** Programs with the libraries of RocketMQ 5. */
import { quoted, type Place, type Snippet } from './place';

export function java({ grpc, instance, accessKey, secretKey, topic, group }: Place): Snippet {
  return {
    key: 'java',
    title: 'Java',
    install: `mvn -q dependency:copy -Dartifact=org.apache.rocketmq:rocketmq-client-java:5.0.8 -DoutputDirectory=.
java -cp rocketmq-client-java-5.0.8.jar Hello.java`,
    file: 'Hello.java',
    code: `import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Map;
import org.apache.rocketmq.client.apis.*;
import org.apache.rocketmq.client.apis.consumer.*;
import org.apache.rocketmq.client.apis.message.*;
import org.apache.rocketmq.client.apis.producer.*;

public class Hello {
    public static void main(String[] arguments) throws Exception {
        ClientServiceProvider provider = ClientServiceProvider.loadService();
        ClientConfiguration configuration = ClientConfiguration.newBuilder()
            .setEndpoints(${quoted(grpc)})
            .setNamespace(${quoted(instance)})
            .setCredentialProvider(new StaticSessionCredentialsProvider(${quoted(accessKey)}, ${quoted(secretKey)}))
            .build();

        try (Producer producer = provider.newProducerBuilder()
                .setClientConfiguration(configuration).setTopics(${quoted(topic)}).build()) {
            Message message = provider.newMessageBuilder().setTopic(${quoted(topic)}).setTag("new").setKeys("order-1")
                .setBody("hello".getBytes(StandardCharsets.UTF_8)).build();
            System.out.println("sent " + producer.send(message).getMessageId());
        }

        try (SimpleConsumer consumer = provider.newSimpleConsumerBuilder()
                .setClientConfiguration(configuration).setConsumerGroup(${quoted(group)}).setAwaitDuration(Duration.ofSeconds(10))
                .setSubscriptionExpressions(Map.of(${quoted(topic)}, new FilterExpression("new", FilterExpressionType.TAG)))
                .build()) {
            for (MessageView received : consumer.receive(1, Duration.ofSeconds(30))) {
                System.out.println("received " + received.getMessageId() + " "
                    + StandardCharsets.UTF_8.decode(received.getBody()));
                consumer.ack(received);
            }
        }
    }
}
`,
  };
}

export function go({ grpc, instance, accessKey, secretKey, topic, group }: Place): Snippet {
  return {
    key: 'go',
    title: 'Go',
    install: `go mod init hello
go get github.com/apache/rocketmq-clients/golang/v5@v5.1.3
go run .`,
    file: 'main.go',
    code: `package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"time"

	rmq "github.com/apache/rocketmq-clients/golang/v5"
	"github.com/apache/rocketmq-clients/golang/v5/credentials"
)

func main() {
	// The library writes a log, and below /logs unless told where.
	os.Setenv("rocketmq.client.logRoot", "log")
	rmq.ResetLogger()
	ctx := context.Background()
	config := &rmq.Config{
		Endpoint:      ${quoted(grpc)},
		NameSpace:     ${quoted(instance)},
		ConsumerGroup: ${quoted(group)},
		Credentials:   &credentials.SessionCredentials{AccessKey: ${quoted(accessKey)}, AccessSecret: ${quoted(secretKey)}},
	}

	producer, err := rmq.NewProducer(config, rmq.WithTopics(${quoted(topic)}))
	if err != nil {
		log.Fatal(err)
	}
	if err := producer.Start(); err != nil {
		log.Fatal(err)
	}
	defer producer.GracefulStop()
	message := &rmq.Message{Topic: ${quoted(topic)}, Body: []byte("hello")}
	message.SetTag("new")
	message.SetKeys("order-1")
	receipts, err := producer.Send(ctx, message)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("sent", receipts[0].MessageID)

	consumer, err := rmq.NewSimpleConsumer(config, rmq.WithSimpleAwaitDuration(10*time.Second),
		rmq.WithSimpleSubscriptionExpressions(map[string]*rmq.FilterExpression{${quoted(topic)}: rmq.NewFilterExpression("new")}))
	if err != nil {
		log.Fatal(err)
	}
	if err := consumer.Start(); err != nil {
		log.Fatal(err)
	}
	defer consumer.GracefulStop()
	received, err := consumer.Receive(ctx, 1, 30*time.Second)
	if err != nil {
		log.Fatal(err) // MESSAGE_NOT_FOUND: nothing there within the time
	}
	for _, one := range received {
		fmt.Println("received", one.GetMessageId(), string(one.GetBody()))
		if err := consumer.Ack(ctx, one); err != nil {
			log.Fatal(err)
		}
	}
}
`,
  };
}

export function python({ grpc, instance, accessKey, secretKey, topic, group }: Place): Snippet {
  return {
    key: 'python',
    title: 'Python',
    install: 'pip install rocketmq-python-client==5.1.2',
    file: 'hello.py',
    code: `from rocketmq import ClientConfiguration, Credentials, FilterExpression, Message, Producer, SimpleConsumer

configuration = ClientConfiguration(${quoted(grpc)}, Credentials(${quoted(accessKey)}, ${quoted(secretKey)}), ${quoted(instance)})

producer = Producer(configuration, (${quoted(topic)},))
producer.startup()
message = Message()
message.topic = ${quoted(topic)}
message.body = "hello".encode()
message.tag = "new"
message.keys = "order-1"
print("sent", producer.send(message).message_id)
producer.shutdown()

consumer = SimpleConsumer(configuration, ${quoted(group)}, {${quoted(topic)}: FilterExpression("new")}, await_duration=10)
consumer.startup()
for received in consumer.receive(1, 30):
    print("received", received.message_id, received.body.decode())
    consumer.ack(received)
consumer.shutdown()
`,
  };
}

export function node({ grpc, instance, accessKey, secretKey, topic, group }: Place): Snippet {
  return {
    key: 'node',
    title: 'Node',
    install: 'npm install rocketmq-client-nodejs@1.0.8',
    file: 'hello.js',
    code: `const { Producer, SimpleConsumer } = require('rocketmq-client-nodejs');

// Without one the library writes a file in the home directory.
const logger = { debug() {}, info() {}, warn: console.warn, error: console.error };
const options = {
  logger,
  endpoints: ${quoted(grpc)},
  namespace: ${quoted(instance)},
  sessionCredentials: { accessKey: ${quoted(accessKey)}, accessSecret: ${quoted(secretKey)} },
};

async function main() {
  const producer = new Producer({ ...options, topics: [${quoted(topic)}] });
  await producer.startup();
  const receipt = await producer.send({ topic: ${quoted(topic)}, tag: 'new', keys: ['order-1'], body: Buffer.from('hello') });
  console.log('sent', receipt.messageId);
  await producer.shutdown();

  const consumer = new SimpleConsumer({
    ...options,
    consumerGroup: ${quoted(group)},
    subscriptions: new Map([[${quoted(topic)}, 'new']]),
    awaitDuration: 10000,
  });
  await consumer.startup();
  for (const received of await consumer.receive(1, 30000)) {
    console.log('received', received.messageId, received.body.toString());
    await consumer.ack(received);
  }
  await consumer.shutdown();
}

main();
`,
  };
}

export function rust({ grpc, accessKey, secretKey, topic, group }: Place): Snippet {
  return {
    key: 'rust',
    title: 'Rust',
    install: `cargo add rocketmq@=5.0.0
cargo add tokio@1 --features macros,rt-multi-thread
cargo add time@0.3 --features local-offset`,
    file: 'src/main.rs',
    code: `use std::time::Duration;

use rocketmq::conf::{ClientOption, ProducerOption, SimpleConsumerOption};
use rocketmq::model::common::{FilterExpression, FilterType};
use rocketmq::model::message::MessageBuilder;
use rocketmq::{Producer, SimpleConsumer};

fn options() -> ClientOption {
    let mut options = ClientOption::default();
    options.set_access_url(${quoted(grpc)});
    options.set_access_key(${quoted(accessKey)});
    options.set_secret_key(${quoted(secretKey)});
    options.set_long_polling_timeout(Duration::from_secs(10));
    options
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut option = ProducerOption::default();
    option.set_topics(vec![${quoted(topic)}]);
    let mut producer = Producer::new(option, options())?;
    producer.start().await?;
    let message = MessageBuilder::builder()
        .set_topic(${quoted(topic)})
        .set_tag("new")
        .set_keys(vec!["order-1"])
        .set_body(b"hello".to_vec())
        .build()?;
    println!("sent {}", producer.send(message).await?.message_id());
    producer.shutdown().await?;

    let mut option = SimpleConsumerOption::default();
    option.set_topics(vec![${quoted(topic)}]);
    option.set_consumer_group(${quoted(group)});
    let mut consumer = SimpleConsumer::new(option, options())?;
    consumer.start().await?;
    let filter = FilterExpression::new(FilterType::Tag, "new");
    for message in consumer.receive_with(${quoted(topic)}, &filter, 1, Duration::from_secs(30)).await? {
        println!("received {} {}", message.message_id(), String::from_utf8_lossy(message.body()));
        consumer.ack(&message).await?;
    }
    consumer.shutdown().await?;
    Ok(())
}
`,
  };
}
