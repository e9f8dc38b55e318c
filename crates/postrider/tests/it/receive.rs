//! `verify`, `listen` and `demo`.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::Stdio,
};

use domain::{SigningKey, Timestamp, sign};

use crate::process::Place;

const BODY: &str = r#"{"aggregateID":"1","aggregateType":"user","instanceID":"i","version":"v1","sequence":1,"event_type":"user.added","created_at":"2025-03-27T10:22:43Z"}"#;

#[expect(clippy::disallowed_methods, reason = "a signature that is not too old is needed")]
fn signature(key: &str) -> String {
    sign(BODY.as_bytes(), Timestamp::now().as_second(), &[SigningKey::from(key)])
}

fn verified(arguments: &[&str]) -> (i32, String) {
    let header = signature("key");
    let mut all = vec!["verify", "--header", &header];
    all.extend(arguments);
    let done = Place::new().run_fed(&all, BODY.as_bytes());
    (done.code, done.out)
}

#[test]
fn a_signature_of_the_key_is_right() {
    assert_eq!(verified(&["--key", "other", "--key", "key"]), (0, "the signature is right\n".to_owned()));
}

#[test]
fn a_signature_of_another_key_is_not() {
    let (code, out) = verified(&["--key", "other"]);
    assert!(code == 1 && out.contains("known key"), "{out}");
}

#[test]
fn a_key_is_needed() {
    assert_eq!(Place::new().run(&["verify", "--header", "t=1,v1=00"]).code, 2);
    assert_eq!(Place::new().run(&["verify", "--header", "t=1,v1=00", "--key-env", "NOWHERE"]).code, 2);
}

#[test]
fn the_body_and_the_key_may_be_in_files() {
    let place = Place::new();
    place.write("body", BODY).write("key", "key\n");
    let done = place.run(&["verify", "--header", &signature("key"), "--key-file", "key", "body"]);
    assert_eq!(done.code, 0, "{}{}", done.out, done.err);
}

/// Posts the body, and returns the status line.
fn post(address: &str, headers: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("the receiver listens");
    let length = BODY.len();
    let request =
        format!("POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n{BODY}");
    stream.write_all(request.as_bytes()).expect("the receiver reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("the receiver answers");
    answer.lines().next().unwrap_or_default().to_owned()
}

#[test]
fn a_receiver_prints_each_event_and_sees_what_is_out_of_order() {
    let place = Place::new();
    let mut command = place.command(&["listen", "--listen", "127.0.0.1:0", "--key", "key"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary can be run");
    let mut said = String::new();
    BufReader::new(child.stderr.take().expect("stderr is piped")).read_line(&mut said).expect("it says where");
    let address = said.trim().trim_start_matches("listening on http://").to_owned();

    let signed =
        |position: &str| format!("ZITADEL-Signature: {}\r\nPostrider-Position: {position}\r\n", signature("key"));
    assert_eq!(post(&address, &signed("2/1")), "HTTP/1.1 200 OK");
    assert_eq!(post(&address, &signed("1/1")), "HTTP/1.1 200 OK");
    assert_eq!(post(&address, ""), "HTTP/1.1 401 Unauthorized");
    child.kill().expect("the receiver runs");
    let mut lines = String::new();
    child.stdout.take().expect("stdout is piped").read_to_string(&mut lines).expect("lines are text");
    child.wait().expect("the receiver ends");
    insta::assert_snapshot!(lines);
}
