//! Runs to draw, and tests of what is drawn.

use super::history::Privacy;
use super::html;
use super::poster;
use super::{BytesOf, Fact, Phase, RoundOutcome, RoundRow, RunHistory, Score, Vanished};
use png::Transformations;
use resvg::usvg::roxmltree::{Document, ParsingOptions};
use std::collections::BTreeSet;
use std::io::Cursor;
use veilsum_dp::Unit;

/// A run with everything in it but noise.
pub fn run(members: u32, rounds: u64) -> RunHistory {
    RunHistory {
        title: format!("digits: {members} members, {rounds} rounds"),
        verdict: format!(
            "All {rounds} masked sums equal the plain sums of their survivors, to the last integer."
        ),
        rounds: (1..=rounds).map(|round| row(members, round)).collect(),
        clear: Score::default(),
        central: Score::default(),
        bytes_of: BytesOf::All,
        pooled: Score {
            accuracy: Some(0.955),
            loss: Some(0.18),
        },
        privacy: None,
        noise_is_known: false,
        settings: [
            ("algorithm", "FedAvg"),
            ("update", "650 coordinates of 16 bits, masked: 1.41 KiB"),
        ]
        .map(|(name, value)| Fact {
            name: name.into(),
            value: value.into(),
        })
        .into(),
        hidden: vec!["Each member's update: the coordinator saw it masked.".into()],
        visible: vec!["The sums, and the model that they made.".into()],
    }
}

/// The same with noise.
pub fn noised(members: u32, rounds: u64) -> RunHistory {
    let mut history = run(members, rounds);
    history.privacy = Some(Privacy {
        unit: Unit::Member,
        delta: 1e-5,
        mechanism: "Skellam, shares of all members, surplus removed".into(),
        budget: Some(8.0),
    });
    for row in &mut history.rounds {
        row.epsilon = Some(0.93);
        row.epsilon_total = Some(7.6 * (row.round as f64 / rounds as f64).sqrt());
        row.secure.accuracy = row.secure.accuracy.map(|value| value - 0.03);
    }
    history
}

fn row(members: u32, round: u64) -> RoundRow {
    let accuracy = 0.93 - 0.6 * (-(round as f64) / 4.0).exp() + 0.004 * (round as f64 * 1.7).sin();
    let phases = [
        Phase::Advertise,
        Phase::Share,
        Phase::Upload,
        Phase::MidUpload,
        Phase::Confirm,
        Phase::Reveal,
    ];
    let gone = if round == 8 {
        3
    } else {
        u32::from(round > 1 && !round.is_multiple_of(3))
    };
    let vanished: Vec<Vanished> = (0..gone)
        .map(|index| {
            let phase = phases[(round as usize + index as usize * 2) % phases.len()];
            Vanished {
                member: format!("member {index}"),
                phase,
                in_sum: phase >= Phase::Confirm,
            }
        })
        .collect();
    let lost = vanished.iter().filter(|vanished| !vanished.in_sum).count() as u32;
    RoundRow {
        round,
        attempt: 0,
        outcome: RoundOutcome::Exact { integers: 651 },
        digest: Some(format!("{round:064x}")),
        members,
        survivors: members - lost,
        vanished,
        secure: Score {
            accuracy: Some(accuracy),
            loss: Some(2.0 / (round as f64 + 1.0)),
        },
        plain: Score {
            accuracy: Some(accuracy + 0.0005),
            loss: Some(2.0 / (round as f64 + 1.02)),
        },
        epsilon: None,
        epsilon_total: None,
        upload_bytes: Some(u64::from(members) * 5300 + 900 * (round % 4)),
        download_bytes: Some(u64::from(members) * 9100 + 700 * (round % 3)),
        wall_s: Some(0.03 + 0.4 * f64::from(gone)),
    }
}

/// Runs whose drawing must hold.
fn runs() -> Vec<RunHistory> {
    let mut without = run(3, 4);
    without.rounds[2].outcome = RoundOutcome::NoSum("too few updates: found 1, wanted 2".into());
    without.rounds[2].survivors = 0;
    let mut bare = run(5, 2);
    bare.pooled = Score::default();
    for row in &mut bare.rounds {
        (row.secure, row.plain) = (Score::default(), Score::default());
        (row.upload_bytes, row.download_bytes, row.wall_s, row.digest) = (None, None, None, None);
        row.outcome = RoundOutcome::Summed;
    }
    let mut levels = noised(5, 20);
    levels.bytes_of = BytesOf::Each;
    levels.clear = Score {
        accuracy: Some(0.93),
        loss: Some(0.2),
    };
    levels.central = Score {
        accuracy: Some(0.905),
        loss: Some(0.22),
    };
    for row in &mut levels.rounds {
        (row.plain, row.digest) = (Score::default(), None);
        row.vanished = Vec::new();
    }
    vec![
        levels,
        run(12, 10),
        run(3, 1),
        run(100, 3),
        run(12, 100),
        run(5, 1000),
        noised(12, 3),
        noised(100, 100),
        without,
        bare,
        RunHistory::default(),
    ]
}

fn parsed(text: &str) -> Document<'_> {
    let options = ParsingOptions {
        allow_dtd: true,
        ..ParsingOptions::default()
    };
    Document::parse_with_options(text, options).unwrap()
}

#[test]
fn every_page_is_well_formed_and_has_each_id_once() {
    for history in runs() {
        let page = html::page(&history);
        let document = parsed(&page);
        let ids: Vec<&str> = document
            .descendants()
            .filter_map(|node| node.attribute("id"))
            .collect();
        assert_eq!(ids.len(), ids.iter().collect::<BTreeSet<_>>().len());
        let referred = document
            .descendants()
            .filter_map(|node| node.attribute("aria-labelledby"));
        for id in referred.flat_map(str::split_whitespace) {
            assert!(ids.contains(&id), "{id}");
        }
    }
}

#[test]
fn pages_and_pictures_fetch_and_execute_nothing() {
    for history in [run(12, 10), noised(12, 3)] {
        for text in [html::page(&history), poster::svg(&history)] {
            let without_names = text
                .replace("http://www.w3.org/2000/svg", "")
                .replace("http://www.w3.org/1999/xhtml", "");
            for forbidden in [
                "http:",
                "https:",
                "//",
                "url(",
                "@import",
                "src=",
                "href",
                "<script",
                "<link",
                "<iframe",
                " onload",
                "javascript:",
            ] {
                assert!(!without_names.contains(forbidden), "{forbidden}");
            }
        }
    }
}

#[test]
fn numbers_of_the_run_are_on_the_page() {
    let history = noised(12, 3);
    let page = html::page(&history);
    let last = history.rounds.last().unwrap();
    for wanted in [
        "digits: 12 members, 3 rounds".to_owned(),
        super::number::percent(last.secure.accuracy.unwrap()),
        super::number::percent(last.plain.accuracy.unwrap()),
        "95.50 %".into(),
        "7.60".into(),
        "651".into(),
        last.digest.clone().unwrap(),
        "member 0".into(),
        "650 coordinates of 16 bits".into(),
        "the coordinator saw it masked".into(),
        "Skellam, shares of all members".into(),
    ] {
        assert!(page.contains(&wanted), "{wanted}");
    }
}

#[test]
fn unit_and_delta_stand_beside_every_epsilon() {
    let page = html::page(&noised(12, 3));
    let text: String = parsed(&page)
        .descendants()
        .filter(|node| node.is_text())
        .filter_map(|node| node.text())
        .collect::<Vec<_>>()
        .join(" ");
    for (place, _) in text.to_lowercase().match_indices("epsilon") {
        let near: String = text.get(place..).unwrap().chars().take(110).collect();
        assert!(near.contains("member") && near.contains("1e-5"), "{near}");
    }
}

#[test]
fn text_from_outside_is_text() {
    let mut history = run(3, 2);
    history.title = "<script>alert(1)</script> & \"more\"".into();
    let page = html::page(&history);
    assert!(!page.contains("<script"));
    parsed(&page);
    parsed(&poster::svg(&history));
}

#[test]
fn every_picture_decodes_and_is_not_blank() {
    for history in [run(12, 10), noised(3, 3), RunHistory::default()] {
        let bytes = poster::png(&history).unwrap();
        let mut decoder = png::Decoder::new(Cursor::new(&bytes));
        decoder.set_transformations(Transformations::IDENTITY);
        let mut reader = decoder.read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        assert!(info.width > 1500 && info.height > 250, "{info:?}");
        let colours: BTreeSet<&[u8]> = pixels.chunks_exact(4).collect();
        assert!(colours.len() > 20, "{}", colours.len());
        assert!(pixels.chunks_exact(4).all(|pixel| pixel[3] == 255));
    }
}

#[test]
fn page_and_picture_show_the_same_shapes() {
    let history = noised(12, 10);
    let (page, picture) = (html::page(&history), poster::svg(&history));
    let lines = |text: &str| -> Vec<String> {
        let document = parsed(text);
        let paths = document
            .descendants()
            .filter(|node| node.has_tag_name("path") || node.tag_name().name() == "path");
        paths
            .filter_map(|node| node.attribute("d").map(str::to_owned))
            .collect()
    };
    assert!(!lines(&page).is_empty());
    assert_eq!(lines(&page), lines(&picture));
}

/// Writes reports to look at: `REPORT_SAMPLES=FOLDER cargo test`.
#[test]
fn samples_can_be_looked_at() {
    if let Some(folder) = std::env::var_os("REPORT_SAMPLES") {
        for (index, history) in runs().iter().enumerate() {
            let folder = std::path::Path::new(&folder).join(index.to_string());
            super::Place::new(&folder).unwrap().write(history).unwrap();
        }
    }
}
