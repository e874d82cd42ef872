//! Links between the documents: every relative one leads to a file, every `#part` to a heading.
//!
//! Never opens a connection: links to other hosts are not looked at.

use std::path::{Component, Path, PathBuf};

use super::source::Finding;

/// The relative links of the document `path` with the content `text` that lead nowhere.
/// `open` gives the content of a file of the repository, and an empty one for a folder.
pub fn broken(path: &str, text: &str, open: &dyn Fn(&Path) -> Option<String>) -> Vec<Finding> {
    let mut found = Vec::new();
    for (line, target) in targets(text) {
        if leaves_the_house(&target) {
            continue;
        }
        let (file, part) = target.split_once('#').map_or((target.as_str(), None), |(f, p)| (f, Some(p)));
        let place = if file.is_empty() { PathBuf::from(path) } else { beside(path, file) };
        let what = match open(&place) {
            None => format!("`{target}` leads to no file"),
            Some(there) if part.is_some_and(|part| !has_part(&place, &there, part)) => {
                format!("`{target}` leads to no heading")
            }
            Some(_) => continue,
        };
        found.push(Finding {
            path: path.to_owned(),
            line,
            what,
            mend: "correct the link or write what it promises",
        });
    }
    found
}

fn leaves_the_house(target: &str) -> bool {
    target.starts_with("//")
        || target.split_once(':').is_some_and(|(scheme, _)| !scheme.contains(['/', '#', '.']))
}

/// `link` as seen from the document at `path`, from the root of the repository.
fn beside(path: &str, link: &str) -> PathBuf {
    let mut place = match link.strip_prefix('/') {
        Some(_) => PathBuf::new(),
        None => Path::new(path).parent().map(Path::to_path_buf).unwrap_or_default(),
    };
    for part in Path::new(link).components() {
        match part {
            Component::ParentDir if !place.pop() => return PathBuf::from("outside the repository"),
            Component::Normal(name) => place.push(name),
            _ => {}
        }
    }
    place
}

/// Is there such a part? Only of Markdown we know the headings; a line of a source file always is.
fn has_part(place: &Path, text: &str, part: &str) -> bool {
    place.extension().is_none_or(|ext| ext != "md") || anchors(text).iter().any(|anchor| anchor == part)
}

/// The link targets of a document with their lines, code left out.
fn targets(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (line, content) in prose(text) {
        let plain = without_code(content);
        if let Some((_, target)) =
            plain.trim_start().strip_prefix('[').and_then(|rest| rest.split_once("]: "))
        {
            found.push((line, target.trim().to_owned()));
        }
        for (opening, closing) in [("](", ')'), ("src=\"", '"'), ("href=\"", '"')] {
            for rest in plain.split(opening).skip(1) {
                let target = rest.split(closing).next().unwrap_or_default();
                found.push((line, target.split_whitespace().next().unwrap_or_default().to_owned()));
            }
        }
    }
    found
}

/// The lines outside fenced blocks, counted from one.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut fenced = false;
    text.lines().enumerate().filter_map(move |(i, line)| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        (!fence && !fenced).then_some((i + 1, line))
    })
}

/// The line without its `code`.
fn without_code(line: &str) -> String {
    line.split('`').step_by(2).collect()
}

/// The headings of a document as their anchors, the way the usual forges make them.
fn anchors(text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for (_, line) in prose(text) {
        let title = line.trim_start_matches('#');
        if title.len() == line.len() || !title.starts_with(' ') {
            continue;
        }
        let kept = title.trim().chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        let slug = kept.collect::<String>().to_lowercase().replace(' ', "-");
        let before = found.iter().filter(|anchor| **anchor == slug).count();
        found.push(slug.clone());
        if before > 0 {
            found.push(format!("{slug}-{before}"));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::broken;

    fn open(path: &Path) -> Option<String> {
        match path.to_str()? {
            "docs/b.md" => Some("# Title\n## The `two`-part, name\n## Again\n## Again\n".to_owned()),
            "docs/a.md" => Some("# Here\n".to_owned()),
            "README.md" | "docs/adr" | "src/lib.rs" => Some(String::new()),
            _ => None,
        }
    }

    #[test]
    fn a_link_to_nothing_fails() {
        let cases = [
            "[x](missing.md)",
            "[x](../missing.md \"title\")",
            "[x](b.md#nothing)",
            "[x](#nothing)",
            "[x](../../outside.md)",
            "![x](pic.svg)",
            "[x]: missing.md",
            "<img src=\"pic.svg\">",
            "<a href=\"missing.md\">",
            "`code` [x](missing.md)",
            "[x](b.md#again-2)",
        ];
        for link in cases {
            let found = broken("docs/a.md", &format!("# Here\n{link}\n"), &open);
            assert_eq!(found.iter().map(|f| f.line).collect::<Vec<_>>(), [2], "{link}");
        }
    }

    #[test]
    fn a_good_link_passes() {
        let cases = [
            "[x](b.md) and [y](../README.md)",
            "[x](/README.md)",
            "[x](b.md#the-two-part-name)",
            "[x](b.md#again-1)",
            "[x](#here)",
            "[x](adr)",
            "[x](adr/)",
            "[x](../src/lib.rs#L4)",
            "[x](https://example.com/missing.md)",
            "[x](mailto:someone@example.com)",
            "`[x](missing.md)`",
            "```\n[x](missing.md)\n```",
        ];
        for link in cases {
            let found = broken("docs/a.md", &format!("# Here\n{link}\n"), &open);
            assert!(found.is_empty(), "{link}: {}", found[0]);
        }
    }
}
