//! Shared data and queues, in one VM and among several.

use super::*;

fn sharing(shared: &Shared, vm_id: &str) -> PluginOptions {
    PluginOptions { shared: Some(shared.clone()), vm_id: vm_id.into(), ..PluginOptions::default() }
}

#[test]
fn queues_follow_envoy() {
    let rows = [
        ("no such queue", "resolve_shared_queue '' 'q' 64", 1),
        ("nor its messages", "dequeue_shared_queue 1 64 68", 1),
        ("nor a place for them", "enqueue_shared_queue 1 'x'", 1),
        ("registered, token 1", "register_shared_queue 'q' 64", 0),
        ("again", "register_shared_queue 'q' 64", 0),
        ("nothing in it", "dequeue_shared_queue 1 64 68", 7),
        ("found", "resolve_shared_queue '' 'q' 64", 0),
        ("not in another VM", "resolve_shared_queue 'other' 'q' 64", 1),
        ("a message", "enqueue_shared_queue 1 'x'", 0),
        ("taken", "dequeue_shared_queue 1 64 68", 0),
        ("once", "dequeue_shared_queue 1 64 68", 7),
        ("a name outside memory", "register_shared_queue 0 -1 64", 6),
        ("a token outside memory", "register_shared_queue 'q' 131070", 6),
        ("a message outside memory", "enqueue_shared_queue 1 0 -1", 6),
    ];
    check_statuses("tick", &rows, |vm| vm.tick().unwrap());
}

#[test]
fn a_message_reaches_the_vm_that_registered_its_queue_last() {
    let reader = Script::new()
        .on("configure", &["register_shared_queue 'jobs' 64"])
        .on("queue_ready", &["dequeue_shared_queue 1 64 68", "show"])
        .filter();
    let writer = Script::new()
        .on("tick", &["resolve_shared_queue 'readers' 'jobs' 72", "enqueue_shared_queue 1 'do'"]);
    let shared = Shared::default();
    let mut first = reader.start(sharing(&shared, "readers")).unwrap();
    let mut last = reader.start(sharing(&shared, "readers")).unwrap();
    let mut writer = writer.start(sharing(&shared, "writers"));
    writer.tick().unwrap();
    assert_eq!(said(&mut writer), ["0", "0"]);
    assert_eq!(first.run_queues().unwrap(), 0);
    assert_eq!(said(&mut first), ["0"], "registered, and nothing more");
    last.open_stream().unwrap();
    assert_eq!(said(&mut last), ["0", "0", "do"], "before anything else");
    assert_eq!(last.run_queues().unwrap(), 0, "told once");
    drop(last);
    writer.tick().unwrap();
    assert_eq!(first.run_queues().unwrap(), 0, "the registrant is gone, and the message waits");
}

#[test]
fn a_queues_owner_may_write_to_it_and_is_told_later() {
    let mut vm = Script::new()
        .on("configure", &["register_shared_queue 'q' 64"])
        .on("queue_ready", &["say 'told'", "enqueue_shared_queue 1 'more'"])
        .on("tick", &["enqueue_shared_queue 1 'x'"])
        .vm();
    vm.tick().unwrap();
    assert_eq!(said(&mut vm), ["0", "0"]);
    assert_eq!(vm.run_queues().unwrap(), 1);
    assert_eq!(said(&mut vm), ["told", "0"], "never without end");
    vm.tick().unwrap();
    assert_eq!(said(&mut vm), ["told", "0", "0"]);
}

#[test]
fn data_is_shared_by_vms_of_one_vm_id_and_one_store() {
    let filter =
        Script::new().on("tick", &["get_shared_data 'k' 64 68 72", "set_shared_data 'k' 'v' 0"]).filter();
    let shared = Shared::default();
    let read = |options: PluginOptions| {
        let mut vm = filter.start(options).unwrap();
        vm.tick().unwrap();
        (said(&mut vm)[0].clone(), vm)
    };
    let (first, _kept) = read(sharing(&shared, "a"));
    assert_eq!(first, "1");
    assert_eq!(read(sharing(&shared, "a")).0, "0", "what the other VM has set");
    assert_eq!(read(sharing(&shared, "b")).0, "1", "another vm_id");
    assert_eq!(read(sharing(&Shared::default(), "a")).0, "1", "another store");
    assert_eq!(read(PluginOptions { vm_id: "a".into(), ..PluginOptions::default() }).0, "1", "none");
}
