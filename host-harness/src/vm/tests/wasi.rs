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
        "0",
        "host: the guest called proc_exit(3), which does nothing",
        "on",
    ];
    assert_eq!(said(&mut vm), expected);
}

#[test]
fn there_are_no_files_no_sockets_and_nothing_to_wait_for() {
    let rows = [
        ("fd_read", "i32 i32 i32 i32", 52),
        ("fd_seek", "i32 i64 i32 i32", 0),
        ("fd_prestat_get", "i32 i32", 8),
        ("path_open", "i32 i32 i32 i32 i32 i64 i64 i32 i32", 44),
        ("fd_fdstat_set_flags", "i32 i32", 52),
        ("path_filestat_get", "i32 i32 i32 i32 i32", 52),
        ("sock_recv", "i32 i32 i32 i32 i32 i32", 52),
        ("sched_yield", "", 0),
        ("poll_oneoff", "i32 i32 i32 i32", 0),
        ("args_sizes_get", "i32 i32", 0),
        ("args_get", "i32 i32", 0),
        ("fd_fdstat_get", "i32 i32", 8),
    ];
    for module in ["wasi_unstable", "wasi_snapshot_preview1"] {
        let import = |(name, types, _): &(&str, &str, u32)| {
            format!("(import \"{module}\" \"{name}\" (func $w_{name} (param {types}) (result i32)))\n")
        };
        let imports: String = rows.iter().map(import).collect();
        let calls: Vec<String> = rows
            .iter()
            .map(|(name, types, _)| {
                let zeros: String = types.split_whitespace().map(|ty| format!("({ty}.const 0) ")).collect();
                format!("(call $status (call $w_{name} {zeros}))")
            })
            .collect();
        let lines: Vec<&str> = calls.iter().map(String::as_str).collect();
        let mut vm = Script::new().import(&imports).on("tick", &lines).vm();
        vm.tick().unwrap();
        let expected: Vec<String> = rows.iter().map(|(_, _, errno)| errno.to_string()).collect();
        assert_eq!(said(&mut vm), expected, "{module}");
    }
}

#[test]
fn every_error_number_is_explained() {
    let function = |name: &str, types: &str| {
        format!(
            "(import \"wasi_unstable\" \"{name}\" (func $unstable_{name} (param {types}) (result i32)))\n"
        )
    };
    let imports = [
        function("fd_read", "i32 i32 i32 i32"),
        function("fd_prestat_get", "i32 i32"),
        function("path_open", "i32 i32 i32 i32 i32 i64 i64 i32 i32"),
        "(import \"env\" \"pthread_equal\" (func $pthread_equal (param i32 i32) (result i32)))\n".to_owned(),
    ];
    let rows = [
        ("fd_write 3 512 0 72", "fd_write(3, 512, 0, 72) → EBADF", "file 3 is not open; 1, standard output"),
        (
            "random_get 0 65537",
            "random_get(bytes: 0, size: 65537) → EINVAL",
            "65537 random bytes in one call, at most 65536",
        ),
        ("random_get 131070 4", "random_get(bytes: 131070, size: 4) → EFAULT", "outside the guest's memory"),
        (
            "clock_time_get 7 L1 64",
            "clock_time_get(clock: 7, precision: 1) → ENOTSUP",
            "no clock 7; 0, real time",
        ),
        (
            "(drop (call $unstable_fd_read (i32.const 3) (i32.const 0) (i32.const 0) (i32.const 0)))",
            "fd_read(3, 0, 0, 0) → ENOSYS",
            "this host has no files",
        ),
        (
            "(drop (call $unstable_fd_prestat_get (i32.const 3) (i32.const 0)))",
            "fd_prestat_get(3, 0) → EBADF",
            "no directories are open from the start",
        ),
        ("environ_get 520 600", "environ_get(520, 600) → ENOTCAPABLE", "not among the plugin's allowed"),
    ];
    let lines = rows
        .iter()
        .map(|(line, ..)| *line)
        .chain(["(drop (call $pthread_equal (i32.const 5) (i32.const 5)))"]);
    let lines: Vec<&str> = lines.collect();
    let script = Script::new().import(&imports.concat()).on("tick", &lines);
    let allowed = ["proxy_log", "proxy_on_tick", "random_get"].map(str::to_owned);
    let allowed = allowed
        .into_iter()
        .chain(["fd_write", "clock_time_get", "fd_read", "fd_prestat_get"].map(str::to_owned));
    let mut vm = script.start(PluginOptions {
        instrumented: true,
        allowed: Some(allowed.collect()),
        ..PluginOptions::default()
    });
    vm.take_transcript();
    vm.tick().unwrap();
    let transcript = vm.take_transcript();
    let failures: Vec<_> = transcript.failures().map(|(_, hostcall)| hostcall).collect();
    assert_eq!(failures.len(), rows.len(), "two equal threads are no failure");
    let shown = crate::view::transcript::lines(&transcript.callbacks, true);
    for ((line, call, rule), hostcall) in rows.iter().zip(failures) {
        assert!(shown.contains(call), "{line}: {shown}");
        let why = hostcall.why.as_ref().unwrap_or_else(|| panic!("{line}: {hostcall:?}"));
        assert!(why.rule.contains(rule), "{line}: {why:?}");
        assert!(why.see.contains("src/exports.cc") || why.see.contains("Capability"), "{line}: {why:?}");
    }
}

#[test]
fn a_plugin_does_only_what_it_is_allowed() {
    let lines = [
        "define_metric 0 'c' 64",
        "random_get 64 8",
        "(if (i32.ne (call $environ_get (i32.const 0) (i32.const 0)) (i32.const 76)) (then (unreachable)))",
        "say 'on'",
    ];
    let allowed = ["proxy_log", "proxy_on_tick", "random_get"].map(str::to_owned);
    let options = PluginOptions { allowed: Some(allowed.into()), ..PluginOptions::default() };
    let mut vm = Script::new().on("tick", &lines).on("configure", &["return 0"]).start(options);
    vm.tick().unwrap();
    let restricted =
        |name: &str| format!("host: {name} is restricted: it is not among the plugin's allowed capabilities");
    let expected = [
        restricted("proxy_define_metric"),
        "10".to_owned(),
        "0".to_owned(),
        restricted("environ_get"),
        "on".to_owned(),
    ];
    assert_eq!(said(&mut vm), expected, "and the callback that rejects is not made");
    assert!(vm.metrics().is_empty());
}
