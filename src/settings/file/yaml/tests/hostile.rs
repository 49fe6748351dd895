//! Files that are meant to do harm.

use std::time::{Duration, Instant};

use super::*;

/// Generous, since other tests run beside this one; without a bound these files take minutes, or all memory.
const LIMIT: Duration = Duration::from_secs(20);

fn refused(bytes: &[u8], expected: &str) {
    refused_with(bytes, &unset, expected);
}

fn refused_with(bytes: &[u8], env: EnvLookup<'_>, expected: &str) {
    let start = Instant::now();
    let mistakes = parsed_with(bytes, env).unwrap_err();
    assert!(mistakes.iter().any(|mistake| mistake.contains(expected)), "{mistakes:?}");
    assert!(start.elapsed() < LIMIT, "{:?}", start.elapsed());
}

#[test]
fn deep_nesting_is_refused() {
    refused(format!("a: {}", "[".repeat(100_000)).as_bytes(), "line 1");
    refused(format!("a: {}{}", "[".repeat(70), "]".repeat(70)).as_bytes(), "nested more than 64 levels deep");
    let nested: String = (0..70).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect();
    refused(nested.as_bytes(), "nested more than 64 levels deep");
    refused("- ".repeat(200).as_bytes(), "nested more than 64 levels deep");
}

#[test]
fn aliases_that_multiply_are_refused() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let aliases = vec![format!("*a{}", level - 1); 10].join(", ");
        text.push_str(&format!("a{level}: &a{level} [{aliases}]\n"));
    }
    refused(text.as_bytes(), "the file is too large, counting what its aliases");
}

#[test]
fn a_large_text_behind_many_aliases_is_refused() {
    let text = format!("a: &a {}\nb: [{}]\n", "x".repeat(500_000), "*a, ".repeat(100_000));
    refused(text.as_bytes(), "the file is too large, counting what its aliases");
}

#[test]
fn variables_that_expand_to_too_much_are_refused() {
    let large = |_: &str| Variable::Set("x".repeat(100_000));
    refused_with(
        "a: ".bytes().chain("${A}".repeat(100_000).bytes()).collect::<Vec<_>>().as_slice(),
        &large,
        "too much text",
    );
    let many: String = (0..1000).map(|key| format!("k{key}: ${{A}}\n")).collect();
    refused_with(many.as_bytes(), &large, "too");
}

#[test]
fn a_large_file_is_refused() {
    refused(&vec![b'#'; (1 << 20) + 1], "more than 1048576 bytes");
}

#[test]
fn large_files_within_the_limit_are_read_quickly() {
    let keys: String = (0..60_000).map(|key| format!("k{key}: 1\n")).collect();
    let same = "same: 1\n".repeat(60_000);
    let scalar = format!("a: \"{}\"", "x".repeat(1_000_000));
    let plain = format!("a: {}", "x ".repeat(500_000));
    let dollars = format!("a: {}", "$".repeat(1_000_000));
    let open = format!("a: {}", "${".repeat(400_000));
    let escapes = format!("a: \"{}\"", "\\x41".repeat(250_000));
    let colons = ":".repeat(1_000_000);
    let quotes = "\"".repeat(1_000_000);
    let anchors: String = (0..50_000).map(|key| format!("k{key}: &a{key} 1\n")).collect();
    let tags = format!("a: {}", "!".repeat(1_000_000));
    let blanks = format!("a: {}b", " ".repeat(1_000_000));
    let lines = format!("a: |\n{}", "  b\n".repeat(200_000));
    let question = "? ".repeat(400_000);
    for text in [
        keys, same, scalar, plain, dollars, open, escapes, colons, quotes, anchors, tags, blanks, lines,
        question,
    ] {
        let start = Instant::now();
        _ = parsed(&text);
        println!("{:?}: {}", start.elapsed(), &text[..30]);
        assert!(start.elapsed() < LIMIT, "{:?}: {}", start.elapsed(), &text[..40]);
    }
}

#[test]
fn encodings_other_than_utf_8_are_refused_and_a_byte_order_mark_is_not() {
    refused(b"a: 1\nb: \xff\n", "line 2, column 4: the file is not valid UTF-8");
    refused(b"\xff\xfea\0:\0 \x001\0", "UTF-16");
    refused(b"\xfe\xff\0a\0:\0 \x001", "UTF-16");
    let root = parsed_with(b"\xef\xbb\xbfa: 1\n", &unset).unwrap();
    assert_eq!(root.get("a").unwrap().at, Position { line: 1, column: 4 });
}

#[test]
fn control_characters_and_line_ends_do_no_harm() {
    assert!(parsed("a: 1\r\nb:\r\n  - 2\r\n").unwrap().get("b").is_some());
    for text in [
        "\0",
        "a: \0",
        "a: \u{7}",
        "\u{feff}\u{feff}a: 1",
        "a: 1\u{85}b: 2",
        "%YAML 1.3\n---\na: 1",
        "%TAG ! x\n---\n!a b",
    ] {
        _ = parsed(text);
    }
}

#[test]
fn possible_secrets_are_not_shown() {
    for text in ["a: ${token=abc def}", "eyJhbGciOiJIUzI1NiJ9: ${1}", "a: '${Bearer abc}'"] {
        let mistakes = parsed(text).unwrap_err().join("\n");
        assert!(!mistakes.contains("abc") && !mistakes.contains("eyJ"), "{mistakes}");
    }
}
