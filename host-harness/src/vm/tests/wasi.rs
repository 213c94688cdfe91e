//! The WASI functions of the ABI.

use super::*;

#[test]
fn standard_output_becomes_lines() {
    let mut lines = vec![
        "(i32.store (i32.const 512) (i32.const 1024))",
        "(i32.store (i32.const 516) (i32.const 3))",
        "(i32.store (i32.const 520) (i32.const 1024))",
        "(i32.store (i32.const 524) (i32.const 6))",
    ];
    lines.extend([
        "fd_write 2 512 2 72",
        "fd_write 3 512 2 72",
        "fd_write 1 512 -1 72",
        "fd_write 1 131070 1 72",
    ]);
    let mut script = Script::new();
    script.line("say 'hello\\0a'");
    let mut vm = script.on("tick", &lines).vm();
    vm.tick().unwrap();
    let logs = vm.take_logs();
    assert_eq!((logs[0].level, logs[0].message.as_str()), (LogLevel::Error, "helhello"));
    let statuses: Vec<&str> = logs[1..].iter().map(|line| line.message.as_str()).collect();
    assert_eq!(statuses, ["=A", "=I", "=V", "=V"], "0, then 8 for another file, then 21 for bad pointers");
}

#[test]
fn random_bytes_follow_the_seed() {
    let lines = ["random_get 64 8", "(drop (call $proxy_log (i32.const 2) (i32.const 64) (i32.const 8)))"];
    let filter = Script::new().on("tick", &lines).filter();
    let bytes = |seed| {
        let mut vm = filter.start(PluginOptions { seed, ..PluginOptions::default() }).unwrap();
        vm.tick().unwrap();
        vm.tick().unwrap();
        said(&mut vm)
    };
    assert_eq!(bytes(1), bytes(1));
    assert_ne!(bytes(1), bytes(2));
    let first = bytes(1);
    assert_ne!(first[1], first[3], "not the same again");
    let mut vm = Script::new().on("tick", &["random_get 0 65537", "random_get 131070 4"]).vm();
    vm.tick().unwrap();
    assert_eq!(said(&mut vm), ["28", "21"], "more than 64 KiB, and outside memory");
}

#[test]
fn the_environment_and_the_clock_are_the_hosts() {
    let lines = [
        "environ_sizes_get 512 516",
        "environ_get 520 600",
        "(i32.store (i32.const 64) (i32.load (i32.const 520)))",
        "(i32.store (i32.const 68) (i32.load (i32.const 516)))",
        "show",
        "environ_get 131070 600",
        "clock_time_get 0 L1 64",
        "clock_time_get 1 L1 64",
        "clock_time_get 7 L1 64",
        "fd_close 3",
        "(call $proc_exit (i32.const 3))",
        "say 'on'",
    ];
    let environment = vec![("A".to_owned(), "1".to_owned()), ("BC".to_owned(), "2".to_owned())];
    let mut vm =
        Script::new().on("tick", &lines).start(PluginOptions { environment, ..PluginOptions::default() });
    vm.tick().unwrap();
    let expected = [
        "0",
        "0",
        "A=1\0BC=2\0",
        "21",
        "0",
        "0",
        "58",
        "8",
        "host: the guest called proc_exit(3), which does nothing",
        "on",
    ];
    assert_eq!(said(&mut vm), expected);
}
