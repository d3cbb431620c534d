use super::*;

fn code<T>(outcome: ApiResult<T>) -> Code {
    Code::of(&outcome.err().expect("refused"))
}

/// What the two libraries write for the same message.
#[test]
fn both_libraries_are_read() {
    let python = "<?xml version=\"1.0\" encoding=\"utf-8\"?><Message xmlns=\"http://mq.aliyuncs.com/doc/v1/\">\
        <MessageBody>&lt;a b=&quot;c&quot;&gt;&amp;amp; ]]&gt; 'd' äöü 消息 \n\t</MessageBody>\
        <Properties>KEYS:k|a:1|</Properties><MessageTag>t</MessageTag></Message>";
    let node = "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Message xmlns=\"http://mq.aliyuncs.com/doc/v1/\">\
        <MessageBody><![CDATA[<a b=\"c\">&amp; ]]]]><![CDATA[> 'd' äöü 消息 \n\t]]></MessageBody>\
        <MessageTag><![CDATA[t]]></MessageTag><Properties><![CDATA[KEYS:k|a:1|]]></Properties></Message>";
    for document in [python, node] {
        let form = message(document.as_bytes()).expect("read");
        let expected = MessageForm {
            body: Some("<a b=\"c\">&amp; ]]> 'd' äöü 消息 \n\t".into()),
            tag: Some("t".into()),
            properties: Some("KEYS:k|a:1|".into()),
        };
        assert_eq!(form, expected);
    }
    let handles = "<ReceiptHandles xmlns=\"http://mq.aliyuncs.com/doc/v1/\"><ReceiptHandle>a</ReceiptHandle>\n\
        <ReceiptHandle><![CDATA[b-_]]></ReceiptHandle></ReceiptHandles>";
    assert_eq!(
        receipt_handles(handles.as_bytes()).expect("read"),
        ["a", "b-_"]
    );
}

#[test]
fn what_is_well_formed_is_read_however_it_is_written() {
    for (document, body) in [
        ("<Message><MessageBody>a</MessageBody></Message>", "a"),
        (
            "\u{feff}<Message><MessageBody>a</MessageBody></Message>",
            "a",
        ),
        (
            " <!-- x --> <Message>\n <MessageBody a='1'>a</MessageBody> </Message>\n<!-- y -->",
            "a",
        ),
        (
            "<Message><MessageBody>a<!-- x -->b&#65;&#x42;</MessageBody></Message>",
            "abAB",
        ),
        (
            "<Message><MessageBody> &#13;\r\n </MessageBody><MessageTag/></Message>",
            " \r\r\n ",
        ),
        (
            "<?xml version='1.0'?><Message><MessageBody>&#x1F600;</MessageBody></Message>",
            "😀",
        ),
    ] {
        let form = message(document.as_bytes()).expect(document);
        assert_eq!(form.body.as_deref(), Some(body), "{document}");
        assert_eq!(form.tag, None);
    }
    let form = message(b"<Message/>").expect("read");
    assert_eq!(form, MessageForm::default());
}

const NO_DOCUMENTS: &[&str] = &[
    "",
    " ",
    "text",
    "{}",
    "<Message>",
    "<Message><MessageBody>",
    "<Message><MessageBody>a</MessageTag></Message>",
    "<Message></Message><Message></Message>",
    "<Message></Message>x",
    "<message><MessageBody>a</MessageBody></message>",
    "<Message><MessageBody>a</MessageBody><MessageBody>b</MessageBody></Message>",
    "<Message><Unknown>a</Unknown></Message>",
    "<Message><MessageBody><b>a</b></MessageBody></Message>",
    "<Message>a</Message>",
    "<Message><![CDATA[a]]></Message>",
    "<Message><MessageBody>&nbsp;</MessageBody></Message>",
    "<Message><MessageBody>&x;</MessageBody></Message>",
    "<Message><MessageBody>&#0;</MessageBody></Message>",
    "<Message><MessageBody>&#1;</MessageBody></Message>",
    "<Message><MessageBody>&#xD800;</MessageBody></Message>",
    "<Message><MessageBody>&#x110000;</MessageBody></Message>",
    "<Message><MessageBody>&#99999999999999999999;</MessageBody></Message>",
    "<Message><MessageBody>a & b</MessageBody></Message>",
    "<Message><MessageBody>\u{1}</MessageBody></Message>",
    "<Message><MessageBody><![CDATA[\u{0}]]></MessageBody></Message>",
    "<Message><MessageBody>\u{ffff}</MessageBody></Message>",
    // As the Node library writes a body with ]]> in it.
    "<Message><MessageBody><![CDATA[a ]]> b]]></MessageBody></Message>",
    "<Message a='1' a='2'></Message>",
    "<Message a='<'></Message>",
    "<Message a></Message>",
    "<Message><!-- a -- b --></Message>",
    "<Message><?php x?></Message>",
    "<?xml version='1.1'?><Message></Message>",
    "<?xml version='1.0' encoding='utf-16'?><Message></Message>",
    " <?xml version='1.0'?><Message></Message>",
    "<ReceiptHandles><ReceiptHandle>a</ReceiptHandle></ReceiptHandles>",
    "<!DOCTYPE Message><Message></Message>",
];

#[test]
fn what_is_no_document_of_the_protocol_is_malformed() {
    let deep = "<a>".repeat(100_000);
    // Only few are compared with one another.
    let attributes: String = (0..400_000).map(|n| format!("a{n}='1' ")).collect();
    let wide = format!("<Message {attributes}/>");
    let bomb = "<!DOCTYPE Message [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;\">]>\
        <Message><MessageBody>&b;</MessageBody></Message>";
    let external = "<!DOCTYPE Message [<!ENTITY x SYSTEM \"file:///etc/hostname\">]>\
        <Message><MessageBody>&x;</MessageBody></Message>";
    let made = [deep.as_str(), &wide, bomb, external];
    for bad in NO_DOCUMENTS.iter().copied().chain(made) {
        let shown: String = bad.chars().take(80).collect();
        assert_eq!(code(message(bad.as_bytes())), Code::MalformedXml, "{shown}");
    }
    let not_text = b"<Message>\xff</Message>";
    assert_eq!(code(message(not_text)), Code::MalformedXml);
}

#[test]
fn handles_are_there_and_not_too_many() {
    let many = "<ReceiptHandle>a</ReceiptHandle>".repeat(ACK_HANDLES_MAX + 1);
    for (bad, expected) in [
        ("<ReceiptHandles/>", Code::MissingReceiptHandle),
        (
            "<ReceiptHandles> </ReceiptHandles>",
            Code::MissingReceiptHandle,
        ),
        (
            "<ReceiptHandles><ReceiptHandle/></ReceiptHandles>",
            Code::MissingReceiptHandle,
        ),
        (
            "<ReceiptHandles><Handle>a</Handle></ReceiptHandles>",
            Code::MalformedXml,
        ),
        (
            &format!("<ReceiptHandles>{many}</ReceiptHandles>"),
            Code::MalformedXml,
        ),
    ] {
        assert_eq!(code(receipt_handles(bad.as_bytes())), expected);
    }
}
