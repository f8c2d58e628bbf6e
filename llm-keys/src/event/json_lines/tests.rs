use std::fs;
use std::sync::Arc;

use serde_json::{Value, json};

use super::*;
use crate::clock::Micros;
use crate::event::{Action, Outcome};
use crate::model::{
    Actor, Caller, Fallback, Gave, KeyId, KeyName, Owner, OwnerId, Reason, RequestId, Service,
    Source, Step, Tenant, Trail, Version,
};

/// An event of a caller who gives this reason.
fn event(reason: &str) -> Event {
    let id = KeyId {
        tenant: Tenant::default(),
        owner: Owner::User(OwnerId::new(r#"al"ice\"#).unwrap()),
        service: Service::new("openai").unwrap(),
        name: KeyName::default(),
    };
    let mut caller = Caller::new(Actor::new("cli:alice").unwrap());
    caller.reason = Some(Reason::new(reason).unwrap());
    caller.request_id = Some(RequestId::new("r-1").unwrap());
    Event::new(Micros(7), Action::KeyGet, Arc::new(id), Arc::new(caller), Outcome::Ok)
        .of(uuid::Uuid::from_u128(1), Version::new(2))
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("events.jsonl")
    }

    fn open(&self) -> JsonLinesSink {
        JsonLinesSink::open(self.path()).unwrap()
    }

    fn lines(&self) -> Vec<String> {
        let text = fs::read_to_string(self.path()).unwrap();
        assert!(text.ends_with('\n'), "{text:?}");
        text.lines().map(str::to_owned).collect()
    }

    fn with(&self, content: &str, mode: u32) {
        fs::write(self.path(), content).unwrap();
        fs::set_permissions(self.path(), fs::Permissions::from_mode(mode)).unwrap();
    }
}

#[tokio::test]
async fn an_event_is_one_line() {
    let folder = Folder::new();
    let sink = folder.open();
    // No caller can smuggle in a line break, a quote that ends the text, or another field.
    assert!(Reason::new("a\nb").is_err());
    let reason = "x\", \"outcome\": \"ok\"} \\n {\"at\":1} \u{2028} müde";
    sink.emit(&event(reason)).await.unwrap();
    // It is there as soon as `emit` is back.
    let lines = folder.lines();
    assert_eq!(lines.len(), 1);
    let line: Value = serde_json::from_str(&lines[0]).unwrap();
    assert_eq!(
        line,
        json!({
            "at": 7,
            "action": "key_get",
            "tenant": "default",
            "owner": { "kind": "user", "id": "al\"ice\\" },
            "service": "openai",
            "name": "default",
            "record": "00000000-0000-0000-0000-000000000001",
            "version": 2,
            "actor": "cli:alice",
            "reason": reason,
            "request_id": "r-1",
            "outcome": "ok",
        })
    );
    sink.emit(&event("again")).await.unwrap();
    assert_eq!(folder.lines().len(), 2);
    assert_eq!(folder.lines()[0], lines[0]);
}

#[tokio::test]
async fn a_search_is_one_more_member() {
    let folder = Folder::new();
    let sink = folder.open();
    let user = OwnerId::new("alice").unwrap();
    let source = |owner| Source::Owner(owner);
    let steps = vec![
        Step { from: source(Owner::User(user.clone())), gave: Gave::Missing },
        Step { from: source(Owner::Global), gave: Gave::Failed(ErrorKind::Inactive) },
    ];
    let trail = Trail { user, policy: Fallback::Prefer, steps };
    sink.emit(&event("why").resolved(trail)).await.unwrap();
    let line: Value = serde_json::from_str(&folder.lines()[0]).unwrap();
    assert_eq!(
        line["resolution"],
        json!({
            "user": "alice",
            "policy": "prefer",
            "steps": [
                { "from": { "kind": "user", "id": "alice" }, "gave": "missing" },
                { "from": { "kind": "global" }, "gave": "inactive" },
            ],
        })
    );
}

#[test]
fn a_new_file_is_private() {
    let folder = Folder::new();
    folder.open();
    let mode = fs::metadata(folder.path()).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o600);
}

#[test]
fn a_file_that_is_there_must_be_private_too() {
    for mode in [0o600, 0o640] {
        let folder = Folder::new();
        folder.with("", mode);
        folder.open();
        let after = fs::metadata(folder.path()).unwrap().permissions().mode();
        assert_eq!(after & 0o7777, mode);
    }
    for mode in [0o644, 0o660, 0o606, 0o620, 0o666] {
        let folder = Folder::new();
        folder.with("", mode);
        let error = JsonLinesSink::open(folder.path()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::EventSink, "{mode:o}");
        assert!(error.to_string().contains(&format!("mode {mode:04o}")), "{error}");
        let command = format!("chmod 600 {}", folder.path().display());
        assert_eq!(error.hint(), Some(command.as_str()));
    }
}

#[test]
fn two_sinks_on_one_file_write_whole_lines() {
    let folder = Folder::new();
    let sinks = [folder.open(), folder.open()];
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).build().unwrap();
    let long = "x".repeat(1024);
    let sinks = sinks.map(Arc::new);
    let tasks: Vec<_> = (0..8)
        .map(|task| {
            let (sink, event) = (Arc::clone(&sinks[task % 2]), event(&long));
            runtime.spawn(async move {
                for _ in 0..100 {
                    sink.emit(&event).await.unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        runtime.block_on(task).unwrap();
    }
    let expected = serde_json::to_string(&event(&long)).unwrap();
    let lines = folder.lines();
    assert_eq!(lines.len(), 800);
    assert!(lines.iter().all(|line| *line == expected));
}

#[tokio::test]
async fn a_line_that_was_cut_short_does_not_swallow_the_next() {
    let folder = Folder::new();
    folder.with("{\"at\":1}\n{\"at\":", 0o600);
    let sink = folder.open();
    sink.emit(&event("first")).await.unwrap();
    sink.emit(&event("second")).await.unwrap();
    let lines = folder.lines();
    assert_eq!(lines.len(), 4);
    assert_eq!(lines[..2], ["{\"at\":1}", "{\"at\":"]);
    assert!(lines[2..].iter().all(|line| serde_json::from_str::<Value>(line).is_ok()));
}

#[tokio::test]
async fn a_full_disk_stops_the_operation() {
    let sink = JsonLinesSink::open("/dev/full").unwrap();
    let error = sink.emit(&event("why")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::EventSink);
    assert!(error.hint().unwrap().contains("nothing was revealed or changed"), "{error:?}");
}

#[tokio::test]
async fn a_pipe_that_took_half_a_line_is_a_failure_and_the_next_line_is_whole() {
    use std::io::Read as _;
    use std::os::fd::AsRawFd as _;
    let (mut reader, writer) = std::io::pipe().unwrap();
    let sink = JsonLinesSink::open(format!("/dev/fd/{}", writer.as_raw_fd())).unwrap();
    drop(writer);
    let flags = rustix::fs::fcntl_getfl(&sink.log.lock().unwrap().file).unwrap();
    let flags = flags | rustix::fs::OFlags::NONBLOCK;
    rustix::fs::fcntl_setfl(&sink.log.lock().unwrap().file, flags).unwrap();

    // More than the pipe holds, through the part that counts what was written.
    let long = vec![b'x'; 1 << 20];
    assert!(sink.log.lock().unwrap().append(long).is_err());
    let mut taken = vec![0; 1 << 20];
    let len = reader.read(&mut taken).unwrap();
    assert!(len < 1 << 20);

    sink.emit(&event("next")).await.unwrap();
    drop(sink);
    let mut rest = String::new();
    reader.read_to_string(&mut rest).unwrap();
    let (_, line) = rest.split_once('\n').unwrap();
    assert!(serde_json::from_str::<Value>(line).is_ok(), "{line}");
}

#[test]
fn what_is_no_file_is_an_error() {
    let folder = Folder::new();
    for path in [folder.0.path().to_owned(), folder.0.path().join("no/events.jsonl")] {
        assert_eq!(JsonLinesSink::open(path).unwrap_err().kind(), ErrorKind::EventSink);
    }
}
