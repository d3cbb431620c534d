/** Programs that speak HTTP: nothing to install, the CLI, and Aliyun's MQ over HTTP. */
import { quoted, shell, type Place, type Snippet } from './place';

export function curl({ http, instance, accessKey, secretKey, topic, group }: Place): Snippet {
  const path = `${http}/v1/instances/${instance}`;
  return {
    key: 'curl',
    title: 'curl',
    code: `api=${shell(path)}
user=${shell(`${accessKey}:${secretKey}`)}
json='content-type: application/json'

curl -u "$user" -H "$json" "$api/topics/${topic}/messages" \\
     -d '{"messages":[{"body":"hello","tag":"new","keys":["order-1"]}]}'

got=$(curl -u "$user" -H "$json" "$api/groups/${group}/topics/${topic}/receive" \\
     -d '{"max":1,"waitSeconds":5}')
echo "$got"

handle=$(echo "$got" | sed -n 's/.*"receiptHandle":"\\([^"]*\\)".*/\\1/p')
curl -u "$user" -H "$json" "$api/groups/${group}/topics/${topic}/ack" \\
     -d "{\\"receiptHandles\\":[\\"$handle\\"]}"
`,
  };
}

export function cli({ http, instance, accessKey, secretKey, topic, group }: Place): Snippet {
  return {
    key: 'cli',
    title: 'firn CLI',
    code: `export FIRN_URL=${shell(http)} FIRN_INSTANCE=${shell(instance)}
export FIRN_ACCESS_KEY=${shell(accessKey)} FIRN_SECRET_KEY=${shell(secretKey)}

firn send ${topic} "hello" --tag new
firn receive ${group} ${topic}
firn lag ${group}
`,
  };
}

export function mqHttpPython({ http, instance, accessKey, secretKey, topic, group }: Place): Snippet {
  return {
    key: 'mq-http-python',
    title: 'Aliyun MQ HTTP (Python)',
    install: 'pip install mq-http-sdk==1.0.3',
    file: 'hello.py',
    code: `from mq_http_sdk.mq_client import MQClient
from mq_http_sdk.mq_exception import MQExceptionBase
from mq_http_sdk.mq_producer import TopicMessage

client = MQClient(${quoted(http)}, ${quoted(accessKey)}, ${quoted(secretKey)})
instance = ${quoted(instance)}

message = TopicMessage("hello", "new")
message.set_message_key("order-1")
print("published", client.get_producer(instance, ${quoted(topic)}).publish_message(message).message_id)

consumer = client.get_consumer(instance, ${quoted(topic)}, ${quoted(group)}, "new")
try:
    for received in consumer.consume_message(1, 10):
        print("consumed", received.message_id, received.message_body)
        consumer.ack_message([received.receipt_handle])
except MQExceptionBase as error:
    if error.type != "MessageNotExist":  # nothing there within 10 seconds
        raise
`,
  };
}

export function mqHttpNode({ http, instance, accessKey, secretKey, topic, group }: Place): Snippet {
  return {
    key: 'mq-http-node',
    title: 'Aliyun MQ HTTP (Node)',
    install: 'npm install @aliyunmq/mq-http-sdk@1.0.4',
    file: 'hello.js',
    code: `const { MQClient, MessageProperties } = require('@aliyunmq/mq-http-sdk');

const client = new MQClient(${quoted(http)}, ${quoted(accessKey)}, ${quoted(secretKey)});
const instance = ${quoted(instance)};

async function main() {
  const properties = new MessageProperties();
  properties.messageKey('order-1');
  const sent = await client.getProducer(instance, ${quoted(topic)}).publishMessage('hello', 'new', properties);
  console.log('published', sent.body.MessageId);

  const consumer = client.getConsumer(instance, ${quoted(topic)}, ${quoted(group)}, 'new');
  try {
    for (const one of (await consumer.consumeMessage(1, 10)).body) {
      console.log('consumed', one.MessageId, one.MessageBody);
      await consumer.ackMessage([one.ReceiptHandle]);
    }
  } catch (error) {
    if (error.Code !== 'MessageNotExist') throw error; // nothing there within 10 seconds
  }
}

main();
`,
  };
}
