//! Instructions of a server's whole process per request, counted by callgrind.

use std::path::{Path, PathBuf};
use std::{env, fs};

use super::{Collector, Role, Side};

/// Prints the instructions of each role per request, if `--instructions` is among the arguments. Words after it choose
/// roles. `send` has a server process so many requests.
///
/// Each role runs twice, with one turn and with several: the difference, divided by the requests of the further turns,
/// is what a request takes, without the start.
pub(crate) fn count<C>(
    roles: &[Role],
    client: impl Fn(Side) -> C,
    mut send: impl FnMut(&mut C, u64),
) -> bool {
    let mut arguments = env::args().skip_while(|argument| argument != "--instructions").skip(1);
    if !env::args().any(|argument| argument == "--instructions") {
        return false;
    }
    let words: Vec<String> = arguments.by_ref().filter(|argument| !argument.starts_with("--")).collect();
    let collector = Collector::start();
    for (role, _) in roles {
        if !words.is_empty() && !words.iter().any(|word| word == role) {
            continue;
        }
        let mut total = |turns: u64| {
            let profiles = directory(role, turns);
            fs::create_dir_all(&profiles).expect("a directory");
            let under = format!(
                "valgrind --tool=callgrind -q --separate-threads=yes --callgrind-out-file={}",
                profiles.join("out").display()
            );
            let mut client = client(Side::start_under(&under, role, &collector));
            (0..turns).for_each(|_| send(&mut client, TURN));
            drop(client);
            let total = total(&profiles);
            if env::var_os(KEEP).is_none() {
                let _ = fs::remove_dir_all(&profiles);
            }
            total
        };
        let (few, many) = (total(1), total(MANY_TURNS));
        println!("{role:<34}{:>9.0}", (many - few) / (TURN * (MANY_TURNS - 1)) as f64);
    }
    true
}

fn directory(role: &str, turns: u64) -> PathBuf {
    let kept = env::var_os(KEEP).map(PathBuf::from);
    let name = format!("{} {turns} {}", role, std::process::id()).replace(' ', "_");
    kept.unwrap_or_else(env::temp_dir).join(name)
}

/// The sum of the profiles of all threads.
fn total(profiles: &Path) -> f64 {
    let of_thread = |profile: PathBuf| {
        let text = fs::read_to_string(profile).expect("a profile");
        let total = text.lines().rev().find_map(|line| line.strip_prefix("totals: "));
        total.and_then(|total| total.trim().parse::<f64>().ok()).unwrap_or_default()
    };
    fs::read_dir(profiles).expect("the profiles").map(|file| of_thread(file.expect("a profile").path())).sum()
}

/// The directory in which profiles are kept, for callgrind_annotate.
const KEEP: &str = "KEEP_PROFILES";
const TURN: u64 = 2_000;
const MANY_TURNS: u64 = 4;
