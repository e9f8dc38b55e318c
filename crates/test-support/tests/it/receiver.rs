//! The endpoint that misbehaves as it is told.

use std::{
    io::{self, Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

use domain::SigningKey;
use postrider_test_support::{Behaviour, Receiver, every_nth, first};

const QUICK: Duration = Duration::from_millis(300);

struct Client(TcpStream);

impl Client {
    fn connect(receiver: &Receiver) -> io::Result<Self> {
        let stream = TcpStream::connect(receiver.address())?;
        stream.set_read_timeout(Some(QUICK))?;
        Ok(Self(stream))
    }

    fn send(&mut self, headers: &str, body: &str) -> io::Result<()> {
        let length = body.len();
        write!(self.0, "POST /hook?a=b HTTP/1.1\r\nHost: here\r\nContent-Length: {length}\r\n{headers}\r\n{body}")
    }

    /// The answer as far as it comes: whole, or until the connection is closed.
    fn answer(&mut self) -> io::Result<String> {
        let mut answer = Vec::new();
        let mut part = [0; 4096];
        loop {
            let text = String::from_utf8_lossy(&answer).into_owned();
            if let Some((head, body)) = text.split_once("\r\n\r\n") {
                let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
                if length.and_then(|length| length.parse().ok()) == Some(body.len()) {
                    return Ok(text);
                }
            }
            match self.0.read(&mut part)? {
                0 => return Ok(text),
                read => answer.extend_from_slice(&part[..read]),
            }
        }
    }

    fn call(&mut self, body: &str) -> io::Result<String> {
        self.send("", body)?;
        self.answer()
    }

    fn is_closed(&mut self) -> bool {
        match self.0.read(&mut [0]) {
            Ok(read) => read == 0,
            Err(error) => error.kind() == io::ErrorKind::ConnectionReset,
        }
    }
}

/// The answer to one request.
fn answer(behaviour: Behaviour) -> io::Result<String> {
    let receiver = Receiver::start(move |_, _| behaviour.clone());
    Client::connect(&receiver)?.call("{}")
}

fn is_timeout(answer: &io::Result<String>) -> bool {
    matches!(answer, Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut))
}

#[test]
fn a_request_is_written_down_as_it_was_sent() {
    let receiver = Receiver::ok();
    let mut client = Client::connect(&receiver).expect("it listens");
    let before = Instant::now();
    client.send("X-Tenant: acme\r\n", "{\"n\": 1}").expect("it reads");
    assert_eq!(client.answer().expect("it answers"), "HTTP/1.1 200 Told So\r\ncontent-length: 0\r\n\r\n");

    let arrivals = receiver.arrivals();
    let arrival = &arrivals[0];
    assert_eq!((arrival.method.as_str(), arrival.path.as_str()), ("POST", "/hook?a=b"));
    assert_eq!(arrival.header("x-tenant"), Some("acme"));
    assert_eq!(arrival.body.as_ref(), b"{\"n\": 1}");
    assert_eq!(arrival.json()["n"], 1);
    assert!(arrival.at >= before && arrival.is_accepted());
}

#[test]
fn a_connection_can_be_used_again_and_a_chunked_body_is_put_together() {
    let receiver = Receiver::ok();
    let mut client = Client::connect(&receiver).expect("it listens");
    client.call("one").expect("it answers");
    let chunked = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\ntwo\r\n5;x=y\r\nthree\r\n0\r\n\r\n";
    client.0.write_all(chunked.as_bytes()).expect("it reads");
    client.answer().expect("it answers");
    client.call("four").expect("it answers");
    let bodies: Vec<_> = receiver.arrivals().iter().map(|arrival| (arrival.connection, arrival.body.clone())).collect();
    assert_eq!(bodies, [(0, "one".into()), (0, "twothree".into()), (0, "four".into())]);
}

#[test]
fn the_script_decides_by_number_and_by_what_arrived() {
    let receiver = Receiver::start(|number, arrival| match arrival.body.as_ref() {
        b"bad" => Behaviour::from(400),
        _ => Behaviour::from(200).with_body(&number.to_string()),
    });
    let mut client = Client::connect(&receiver).expect("it listens");
    assert!(client.call("good").expect("it answers").ends_with("\r\n\r\n0"));
    assert!(client.call("bad").expect("it answers").starts_with("HTTP/1.1 400"));
    assert!(client.call("good").expect("it answers").ends_with("\r\n\r\n2"));
    assert_eq!((receiver.count(), receiver.accepted().len()), (3, 2));

    receiver.behave(|_, _| Behaviour::from(503).with_header("Retry-After", "7"));
    assert!(client.call("good").expect("it answers").contains("Retry-After: 7\r\n"));
}

#[test]
fn some_requests_can_meet_another_fate() {
    let statuses = |receiver: Receiver| {
        let mut client = Client::connect(&receiver).expect("it listens");
        (0..4).for_each(|_| drop(client.call("").expect("it answers")));
        receiver.arrivals().iter().map(|arrival| arrival.answered).collect::<Vec<_>>()
    };
    assert_eq!(statuses(Receiver::start(every_nth(2, 500))), [200, 500, 200, 500].map(Some));
    assert_eq!(statuses(Receiver::start(first(2, 500))), [500, 500, 200, 200].map(Some));
}

#[test]
fn it_can_hang_before_the_answer_or_after_its_head() {
    let hung = answer(Behaviour::Hang);
    assert!(is_timeout(&hung), "{hung:?}");
    let hung = answer(Behaviour::HangAfterHead);
    assert!(is_timeout(&hung), "{hung:?}");
}

#[test]
fn it_can_close_at_any_point_of_the_answer() {
    assert_eq!(answer(Behaviour::Close).expect("it closes in order"), "");
    assert_eq!(answer(Behaviour::CloseInHead).expect("it closes in order"), "HTTP/1.1 200 OK\r\ncontent-le");
    let half = answer(Behaviour::CloseHalfWay).expect("it closes in order");
    assert!(half.contains("content-length: 100") && half.ends_with("half"), "{half}");
    assert!(answer(Behaviour::Garbage).expect("it closes in order").starts_with("220 mail"));
}

#[test]
fn it_can_close_a_connection_that_could_have_been_used_again() {
    let receiver = Receiver::start(|_, _| Behaviour::AnswerThenClose);
    let mut client = Client::connect(&receiver).expect("it listens");
    assert!(client.call("").expect("it answers").starts_with("HTTP/1.1 200"));
    assert!(client.is_closed());
}

#[test]
fn it_can_redirect_delay_and_send_too_much_or_too_slowly() {
    let redirect = answer(Behaviour::redirect(307, "http://127.0.0.1:1/")).expect("it answers");
    assert!(
        redirect.starts_with("HTTP/1.1 307") && redirect.contains("Location: http://127.0.0.1:1/\r\n"),
        "{redirect}"
    );

    let started = Instant::now();
    answer(Behaviour::from(200).delayed(Duration::from_millis(100))).expect("it answers");
    assert!(started.elapsed() >= Duration::from_millis(100));

    let huge = answer(Behaviour::Huge(300_000)).expect("it answers");
    assert!(huge.len() > 300_000);

    let started = Instant::now();
    answer(Behaviour::Trickle(4, Duration::from_millis(30))).expect("it answers");
    assert!(started.elapsed() >= Duration::from_millis(120));
}

#[test]
fn a_receiver_that_is_down_refuses_and_comes_back_on_its_port() {
    let receiver = Receiver::ok();
    let mut client = Client::connect(&receiver).expect("it listens");
    client.call("before").expect("it answers");

    receiver.down();
    assert!(client.is_closed(), "an open connection is cut");
    let refused = Client::connect(&receiver).err().map(|error| error.kind());
    assert_eq!(refused, Some(io::ErrorKind::ConnectionRefused));

    receiver.up();
    Client::connect(&receiver).expect("it listens again").call("after").expect("it answers");
    assert_eq!(receiver.count(), 2);

    receiver.cut();
    Client::connect(&receiver).expect("it still listens").call("last").expect("it answers");
}

#[tokio::test]
async fn a_receiver_that_is_dropped_is_gone() {
    let receiver = Receiver::start(|_, _| Behaviour::Hang);
    let address = receiver.address();
    let mut client = Client::connect(&receiver).expect("it listens");
    client.send("", "never answered").expect("it reads");
    receiver.wait_for(1).await;
    drop(receiver);
    assert!(client.is_closed());
    assert!(TcpStream::connect(address).is_err());
}

#[tokio::test]
async fn one_can_wait_for_what_arrives() {
    let receiver = Receiver::start(every_nth(2, 500));
    let mut client = Client::connect(&receiver).expect("it listens");
    let caller = std::thread::spawn(move || (0..6).for_each(|_| drop(client.call("{}").expect("it answers"))));
    receiver.wait_for(6).await;
    receiver.wait_until("three are accepted", |accepted| accepted.len() == 3).await;
    caller.join().expect("the caller does not panic");
}

#[tokio::test]
#[should_panic(expected = "0 of 1 requests have arrived")]
async fn one_does_not_wait_for_ever() {
    Receiver::ok().wait_for_within(1, Duration::from_millis(20)).await;
}

#[test]
fn an_event_and_its_signature_are_read_from_what_arrived() {
    let receiver = Receiver::ok();
    let mut client = Client::connect(&receiver).expect("it listens");
    let body =
        r#"{"aggregateID":"u1","aggregateType":"user","instanceID":"i1","sequence":7,"event_type":"user.locked"}"#;
    let key = SigningKey::from("secret".to_owned());
    let now = receiver_time(&receiver);
    let signature = domain::sign(body.as_bytes(), now, std::slice::from_ref(&key));
    client
        .send(
            &format!(
                "ZITADEL-Signature: {signature}\r\nPostrider-Position: 1743070963.262665/2\r\nPostrider-Attempt: 3\r\n"
            ),
            body,
        )
        .expect("it reads");
    client.answer().expect("it answers");

    let arrival = receiver.arrivals().pop().expect("it arrived");
    let arrived = arrival.key();
    assert_eq!(arrived.to_string(), "1743070963.262665/2 user u1#7");
    assert_eq!(arrived.instance_id.as_str(), "i1");
    assert_eq!((arrival.event_type().as_str(), arrival.attempt()), ("user.locked", Some(3)));
    arrival.verify(&[key]).expect("the signature is right");
    assert!(arrival.verify(&[SigningKey::from("another".to_owned())]).is_err());
}

/// The time by the receiver's clock, in seconds.
fn receiver_time(receiver: &Receiver) -> i64 {
    Client::connect(receiver).expect("it listens").call("").expect("it answers");
    receiver.arrivals().pop().expect("it arrived").time.as_second()
}
