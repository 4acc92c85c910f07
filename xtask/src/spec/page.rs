//! Requirements in a page of the spec: where an id is defined, where it is only mentioned, and which text has none.
//!
//! A definition is the id in brackets in bold type, `**[upload.once]**`; any other id in brackets is a mention. What is in a fenced
//! block shows bytes, and counts as neither.

use super::citation::ids;

/// An id in a page.
#[derive(Debug, PartialEq, Eq)]
pub struct Mention {
    pub id: String,
    /// From 1.
    pub line: usize,
    pub kind: Kind,
}

/// What an id in a page does there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Definition,
    Mention,
}

/// A paragraph, item or row that demands something and has no id.
#[derive(Debug, PartialEq, Eq)]
pub struct Unnumbered {
    /// From 1.
    pub line: usize,
    /// Its first words.
    pub words: String,
}

/// All ids of a page.
pub fn mentions(page: &str) -> Vec<Mention> {
    let mut found = Vec::new();
    for (line, text) in outside_fences(page) {
        let Some(text) = text else { continue };
        found.extend(ids(text).map(|(at, id)| Mention {
            id: id.to_owned(),
            line,
            kind: kind_at(text, at, id),
        }));
    }
    found
}

/// Paragraphs, items of lists and rows of tables with a MUST and without an id, defined or mentioned. The paragraph about the key words
/// themselves, which names RFC 2119, is none.
pub fn unnumbered(page: &str) -> Vec<Unnumbered> {
    let demands = |block: &Block| {
        let words = block
            .text
            .split(|letter: char| !letter.is_ascii_alphanumeric());
        words.into_iter().any(|word| word == "MUST")
            && ids(&block.text).next().is_none()
            && !block.text.contains("RFC 2119")
    };
    let blocks = blocks(page).into_iter().filter(demands);
    blocks
        .map(|block| Unnumbered {
            line: block.line,
            words: block.text.chars().take(WORDS).collect(),
        })
        .collect()
}

/// Lines of text that belong together, joined.
struct Block {
    line: usize,
    text: String,
}

fn blocks(page: &str) -> Vec<Block> {
    let mut blocks = Vec::<Block>::new();
    let mut open = false;
    for (line, text) in outside_fences(page) {
        let text = text.unwrap_or_default().trim();
        let alone = text.starts_with(['#', '|']);
        if text.is_empty() {
            open = false;
            continue;
        }
        match blocks.last_mut() {
            Some(block) if open && !alone && !is_item(text) => {
                block.text.push(' ');
                block.text.push_str(text);
            }
            _ => blocks.push(Block {
                line,
                text: text.to_owned(),
            }),
        }
        open = !alone;
    }
    blocks
}

/// Whether a line begins an item of a list.
fn is_item(text: &str) -> bool {
    let digits = text.trim_start_matches(|letter: char| letter.is_ascii_digit());
    text.starts_with("- ")
        || text.starts_with("* ")
        || (digits.len() < text.len() && digits.starts_with(". "))
}

/// Numbered lines; those of fenced blocks have no text.
fn outside_fences(page: &str) -> impl Iterator<Item = (usize, Option<&str>)> {
    let mut fenced = false;
    (1..).zip(page.lines()).map(move |(line, text)| {
        let is_fence = text.trim_start().starts_with("```");
        fenced ^= is_fence;
        (line, (!fenced && !is_fence).then_some(text))
    })
}

fn kind_at(text: &str, at: usize, id: &str) -> Kind {
    let before = text.get(..at).unwrap_or_default();
    let behind = text.get(at + id.len() + 2..).unwrap_or_default();
    match before.ends_with("**") && behind.starts_with("**") {
        true => Kind::Definition,
        false => Kind::Mention,
    }
}

/// Characters of a block that are shown.
const WORDS: usize = 80;

#[cfg(test)]
mod tests {
    use super::*;

    fn found(page: &str) -> Vec<(String, usize, Kind)> {
        let all = mentions(page).into_iter();
        all.map(|Mention { id, line, kind }| (id, line, kind))
            .collect()
    }

    fn lines(page: &str) -> Vec<usize> {
        unnumbered(page).iter().map(|block| block.line).collect()
    }

    #[test]
    fn bold_ids_are_defined_and_others_are_mentioned() {
        let page = "- **[a.b]** as `[c.d]` and [e.f], so **[g.h]**.\n*[i.j]* **bold [k.l]**";
        assert_eq!(
            found(page),
            [
                ("a.b".to_owned(), 1, Kind::Definition),
                ("c.d".to_owned(), 1, Kind::Mention),
                ("e.f".to_owned(), 1, Kind::Mention),
                ("g.h".to_owned(), 1, Kind::Definition),
                ("i.j".to_owned(), 2, Kind::Mention),
                ("k.l".to_owned(), 2, Kind::Mention),
            ]
        );
    }

    #[test]
    fn fenced_blocks_define_and_mention_nothing() {
        let page = "**[a.b]**\n```\n**[c.d]** [e.f]\n```\n[g.h]";
        assert_eq!(
            found(page),
            [
                ("a.b".to_owned(), 1, Kind::Definition),
                ("g.h".to_owned(), 5, Kind::Mention),
            ]
        );
    }

    #[test]
    fn a_must_without_an_id_is_found_with_the_line_of_its_block() {
        let page = "\
# What MUST be

A reader
MUST refuse.

- An item MUST
  be one.
- `[a.b]` This one MUST too.
1. And so
   MUST this.

| a row | MUST have one |
| of its own | `[a.b]` MUST |
";
        assert_eq!(lines(page), [1, 3, 6, 9, 12]);
    }

    #[test]
    fn an_id_anywhere_in_the_block_is_enough() {
        assert!(lines("It MUST\nhold\n(`[a.b]`).\n\nIt MUST hold, **[a.c]**.").is_empty());
    }

    #[test]
    fn an_id_of_the_item_before_is_not_enough() {
        assert_eq!(lines("- `[a.b]` It is.\n- It MUST be."), [2]);
        assert_eq!(lines("`[a.b]` It is.\n\nIt MUST be."), [3]);
    }

    #[test]
    fn the_paragraph_about_key_words_and_fenced_blocks_demand_nothing() {
        let page = "The key words MUST and MAY are those of RFC 2119.\n\n```\nMUST\n```\nMUSTARD";
        assert!(lines(page).is_empty());
    }
}
