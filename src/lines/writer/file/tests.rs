#![cfg(unix)]

use std::fs;
use std::io::Read as _;
use std::process::Command;
use std::thread;
use std::time::Duration;

use super::*;
use crate::lines::writer::{LogDestination, NonBlockingWriter, OverflowPolicy, Urgency};

const LONG: Duration = Duration::from_secs(20);

fn writer(path: &Path) -> NonBlockingWriter {
    NonBlockingWriter::new(LogDestination::file(path), OverflowPolicy::Drop, 1 << 20).unwrap()
}

fn write(writer: &NonBlockingWriter, line: &str) {
    writer.push(format!("{line}\n").as_bytes(), Urgency::None);
    assert!(writer.flush(LONG));
}

#[test]
fn lines_follow_a_file_that_is_moved_and_created_again() {
    let directory = tempfile::tempdir().unwrap();
    let (path, old) = (directory.path().join("shop.log"), directory.path().join("shop.log.1"));
    let writer = writer(&path);
    write(&writer, "first");
    fs::rename(&path, &old).unwrap();
    fs::write(&path, "").unwrap();
    write(&writer, "second");
    assert_eq!(fs::read_to_string(&old).unwrap(), "first\n");
    assert_eq!(fs::read_to_string(&path).unwrap(), "second\n");
    // Without a new file, one is created.
    fs::rename(&path, &old).unwrap();
    write(&writer, "third");
    assert_eq!(fs::read_to_string(&path).unwrap(), "third\n");
    fs::remove_file(&path).unwrap();
    write(&writer, "fourth");
    assert_eq!(fs::read_to_string(&path).unwrap(), "fourth\n");
    // As by `copytruncate`.
    fs::write(&path, "").unwrap();
    write(&writer, "fifth");
    assert_eq!(fs::read_to_string(&path).unwrap(), "fifth\n");
    assert_eq!(writer.dropped(), 0);
}

#[test]
fn lines_go_on_to_a_moved_file_if_no_new_one_can_be_made() {
    let directory = tempfile::tempdir().unwrap();
    let (inside, moved) = (directory.path().join("logs"), directory.path().join("moved"));
    fs::create_dir(&inside).unwrap();
    let writer = writer(&inside.join("shop.log"));
    write(&writer, "first");
    fs::rename(&inside, &moved).unwrap();
    write(&writer, "second");
    assert_eq!(fs::read_to_string(moved.join("shop.log")).unwrap(), "first\nsecond\n");
    assert_eq!(writer.dropped(), 0);
}

#[test]
fn lines_for_a_file_in_a_removed_directory_are_counted() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("logs/shop.log");
    fs::create_dir(path.parent().unwrap()).unwrap();
    let writer = writer(&path);
    write(&writer, "first");
    fs::remove_dir_all(path.parent().unwrap()).unwrap();
    write(&writer, "lost");
    assert_eq!(writer.dropped(), 1);
    fs::create_dir(path.parent().unwrap()).unwrap();
    write(&writer, "third");
    assert_eq!((fs::read_to_string(&path).unwrap().as_str(), writer.dropped()), ("third\n", 1));
}

#[test]
fn fifo_without_a_reader_does_not_block() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("shop.fifo");
    assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    let writer = writer(&path);
    writer.push(b"first\n", Urgency::None);
    assert!(!writer.flush(Duration::from_millis(20)), "there is no reader");
    for line in ["first\n", "second\n"] {
        let reading = {
            let path = path.clone();
            thread::spawn(move || {
                let mut text = vec![0; line.len()];
                File::open(path).unwrap().read_exact(&mut text).unwrap();
                text
            })
        };
        assert_eq!(reading.join().unwrap(), line.as_bytes());
        // The reader is gone: this line is lost, and the FIFO waits for the next one.
        assert!(writer.flush(LONG));
        write(&writer, "lost");
        assert!(writer.dropped() > 0);
        writer.push(b"second\n", Urgency::None);
    }
}
