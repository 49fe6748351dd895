//! The blocks of variables in the chapter on destinations.

/// The variables of one block, in the order of the page.
pub(crate) type Block = Vec<(String, String)>;

/// Returns the blocks below a title. Each placeholder such as `<token>` is filled with its name, and `<base64>` with
/// what its text describes, for `user` and `password`.
pub(crate) fn blocks(title: &str) -> Vec<Block> {
    let page = include_str!("../../docs/destinations.md");
    let (_, rest) = page.split_once(&format!("\n## {title}\n")).unwrap_or_else(|| panic!("no {title}"));
    let section = rest.split("\n## ").next().unwrap().split("\n# ").next().unwrap();
    let texts = section.split("```sh\n").skip(1).map(|text| text.split("```").next().unwrap());
    texts.map(|text| text.lines().map(variable).collect()).collect()
}

fn variable(line: &str) -> (String, String) {
    let (name, value) = line.split_once('=').unwrap_or_else(|| panic!("{line}"));
    (name.to_owned(), value.replace("<base64>", "dXNlcjpwYXNzd29yZA==").replace(['<', '>', ' '], ""))
}

/// Puts an address in the place of scheme, host and port of each endpoint. The path stays.
pub(crate) fn redirect(block: &mut Block, address: &str) {
    for (name, value) in block {
        if name.ends_with("_ENDPOINT") {
            let (_, rest) = value.split_once("://").unwrap();
            let path = rest.find('/').map_or("", |start| &rest[start..]);
            *value = format!("{address}{path}");
        }
    }
}
