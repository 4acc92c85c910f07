//! `report.html`: one page that fetches nothing and executes nothing.
//!
//! It is well-formed XML as well, so that any parser can read it.

use super::chart::{Figure, HEIGHT, WIDTH};
use super::figures::figures;
use super::history::{BytesOf, Privacy, RoundOutcome, RoundRow, RunHistory, unit_name};
use super::number::{epsilon, percent, seconds, short};
use super::style;
use crate::table::{bytes, grouped};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use std::collections::BTreeMap;

/// The page.
pub fn page(history: &RunHistory) -> String {
    let figures = figures(history);
    let body = html! {
        html lang="en" xmlns="http://www.w3.org/1999/xhtml" {
            head {
                (PreEscaped(META))
                title { (history.title) " · Veilsum" }
                style { (PreEscaped(style::page())) }
            }
            body {
                main {
                    header {
                        h1 { (history.title) }
                        p.lead { (history.verdict) }
                    }
                    dl.tiles { @for tile in tiles(history) { (tile.markup()) } }
                    section.figures aria-label="Figures" { @for figure in &figures { (framed(figure)) } }
                    (rounds(history))
                    (visibility(history))
                    (settings(history))
                    footer { "Written by Veilsum. Nothing on this page is secret: it holds sums, counts and settings, no single update." }
                }
            }
        }
    };
    format!("{}\n{}\n", DOCTYPE.0, body.0)
}

/// A key figure.
pub struct Tile {
    /// What it is.
    pub name: &'static str,
    /// Its value.
    pub value: String,
    /// What has to stand beside it.
    pub beside: String,
}

impl Tile {
    fn markup(&self) -> Markup {
        html! {
            div.tile {
                dt { (self.name) }
                dd { (self.value) }
                dd.beside { (self.beside) }
            }
        }
    }
}

/// Key figures of a run.
pub fn tiles(history: &RunHistory) -> Vec<Tile> {
    let rounds = history.rounds.len();
    let mut tiles = Vec::new();
    if let Some(accuracy) = history.last_accuracy(|row| row.secure) {
        let beside = match (
            history
                .last_accuracy(|row| row.plain)
                .or(history.clear.accuracy),
            history.pooled.accuracy,
        ) {
            (Some(plain), _) => format!("{} without masks", percent(plain)),
            (None, Some(pooled)) => format!("{} with pooled data", percent(pooled)),
            (None, None) => "after the last round".into(),
        };
        let beside = match history.privacy.is_some() || history.noise_is_known {
            true => beside.replace("without masks", "without noise"),
            false => beside,
        };
        tiles.push(Tile {
            name: "accuracy",
            value: percent(accuracy),
            beside,
        });
    }
    let compared = history
        .rounds
        .iter()
        .any(|row| row.outcome.is_exact() || row.outcome == RoundOutcome::Different);
    tiles.push(match compared {
        true => Tile {
            name: "sums equal to the plain sum",
            value: format!("{} of {rounds}", history.exact()),
            beside: "in every integer".into(),
        },
        false => Tile {
            name: "rounds with a sum",
            value: format!("{} of {rounds}", history.summed()),
            beside: "signed by a quorum".into(),
        },
    });
    tiles.push(match (&history.privacy, history.epsilon_total()) {
        (Some(privacy), Some(total)) => Tile {
            name: "epsilon, all rounds",
            value: epsilon(total),
            beside: format!(
                "unit: {}, delta {}",
                unit_name(privacy.unit),
                short(privacy.delta)
            ),
        },
        _ => Tile {
            name: "differential privacy",
            value: "off".into(),
            beside: match history.noise_is_known {
                true => "the noise is from a seed, so no epsilon".into(),
                false => "no noise, so no epsilon".into(),
            },
        },
    });
    if history.vanished() > 0 {
        tiles.push(Tile {
            name: "members gone silent",
            value: grouped(history.vanished() as u64),
            beside: format!("in {rounds} rounds"),
        });
    }
    let sent: u64 = history
        .rounds
        .iter()
        .filter_map(|row| row.upload_bytes)
        .sum();
    let members = history
        .rounds
        .iter()
        .map(|row| row.members)
        .max()
        .unwrap_or(0);
    if sent > 0 && rounds > 0 && members > 0 {
        let senders = match history.bytes_of {
            BytesOf::All => u64::from(members),
            BytesOf::Each => 1,
        };
        let each = sent / (rounds as u64 * senders);
        tiles.push(Tile {
            name: "sent per member and round",
            value: bytes(each),
            beside: format!("{} in all", bytes(sent)),
        });
    }
    tiles
}

fn framed(figure: &Figure) -> Markup {
    let (title, about) = (
        format!("{}-title", figure.id),
        format!("{}-about", figure.id),
    );
    html! {
        figure id=(figure.id) {
            figcaption {
                h3 { (figure.title) }
                p { (figure.caption) }
            }
            svg xmlns="http://www.w3.org/2000/svg" viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) role="img" aria-labelledby={(title) " " (about)} {
                title id=(title) { (figure.title) }
                desc id=(about) { (figure.about) }
                (figure.shapes)
            }
        }
    }
}

fn rounds(history: &RunHistory) -> Markup {
    if history.rounds.is_empty() {
        return html! {};
    }
    let any = |of: fn(&RoundRow) -> bool| history.rounds.iter().any(of);
    let shown = Shown {
        privacy: history.privacy.as_ref(),
        plain: any(|row| row.plain.accuracy.is_some()),
        accuracy: any(|row| row.secure.accuracy.is_some()),
        digest: any(|row| row.digest.is_some()),
        down: any(|row| row.download_bytes.is_some()),
        silent: any(|row| !row.vanished.is_empty() || row.attempt > 0 || !row.outcome.has_sum()),
    };
    html! {
        h2 { "Rounds" }
        div."box scroll" {
            table {
                thead { tr {
                    th.number { "round" }
                    th { "sum" }
                    th.number { "survivors" }
                    @if shown.accuracy { th.number { "accuracy" @if shown.plain { small { "masked" } } } }
                    @if shown.plain { th.number { "accuracy" small { "plain averages" } } }
                    @if let Some(privacy) = shown.privacy {
                        @let beside = format!("unit: {}, delta {}", unit_name(privacy.unit), short(privacy.delta));
                        th.number { "epsilon" small { (beside) } }
                        th.number { "epsilon so far" small { (beside) } }
                    }
                    th.number { "sent" }
                    @if shown.down { th.number { "received" } }
                    th.number { "time" }
                    @if shown.digest { th { "SHA-256 of the sum" } }
                    @if shown.silent { th { "who went silent, and where" } }
                } }
                tbody { @for row in &history.rounds { (line(row, &shown)) } }
            }
        }
    }
}

/// Columns that are not in every table.
struct Shown<'a> {
    privacy: Option<&'a Privacy>,
    plain: bool,
    accuracy: bool,
    digest: bool,
    down: bool,
    silent: bool,
}

fn line(row: &RoundRow, shown: &Shown<'_>) -> Markup {
    let or_none = |value: Option<String>| value.unwrap_or_else(|| "–".into());
    html! {
        tr {
            th.number scope="row" { (row.round) }
            td { (outcome(&row.outcome)) }
            td.number { (row.survivors) " of " (row.members) }
            @if shown.accuracy { td.number { (or_none(row.secure.accuracy.map(percent))) } }
            @if shown.plain { td.number { (or_none(row.plain.accuracy.map(percent))) } }
            @if shown.privacy.is_some() {
                td.number { (or_none(row.epsilon.map(epsilon))) }
                td.number { (or_none(row.epsilon_total.map(epsilon))) }
            }
            td.number { (or_none(row.upload_bytes.map(bytes))) }
            @if shown.down { td.number { (or_none(row.download_bytes.map(bytes))) } }
            td.number { (or_none(row.wall_s.map(seconds))) }
            @if shown.digest { td { @if let Some(digest) = &row.digest { code title=(digest) { (digest.get(..16).unwrap_or(digest)) "…" } } @else { "–" } } }
            @if shown.silent { td.wrap { (silent(row)) } }
        }
    }
}

fn outcome(outcome: &RoundOutcome) -> Markup {
    html! {
        @match outcome {
            RoundOutcome::Exact { integers } => { span.good { "exact" } " in " (grouped(*integers)) " integers" }
            RoundOutcome::Equal => span.good { "exact" },
            RoundOutcome::Different => span.bad { "differs from the plain sum" },
            RoundOutcome::Summed => "certified",
            RoundOutcome::NoSum(_) => span.bad { "no sum" },
        }
    }
}

fn silent(row: &RoundRow) -> String {
    let mut phases = BTreeMap::<_, Vec<&str>>::new();
    for vanished in &row.vanished {
        phases
            .entry(vanished.phase)
            .or_default()
            .push(&vanished.member);
    }
    let mut told: Vec<String> = phases
        .iter()
        .map(|(phase, members)| format!("{phase}: {}", members.join(", ")))
        .collect();
    if row.attempt > 0 {
        told.push(format!("attempt {}", row.attempt + 1));
    }
    if let RoundOutcome::NoSum(reason) = &row.outcome {
        told.push(reason.clone());
    }
    told.join("; ")
}

fn visibility(history: &RunHistory) -> Markup {
    let lists = [
        ("Hidden", &history.hidden),
        ("Not hidden", &history.visible),
    ];
    html! {
        @if lists.iter().any(|(_, list)| !list.is_empty()) {
            h2 { "What was hidden, and what was not" }
            div.pair {
                @for (name, list) in lists {
                    div.box {
                        h3 { (name) }
                        ul { @for item in list { li { (item) } } }
                    }
                }
            }
        }
    }
}

fn settings(history: &RunHistory) -> Markup {
    let noise = history
        .privacy
        .as_ref()
        .map(|privacy| ("noise", privacy.mechanism.as_str()));
    html! {
        @if !history.settings.is_empty() || noise.is_some() {
            h2 { "Settings" }
            div."box scroll" {
                table.settings { tbody {
                    @for fact in &history.settings { tr { th scope="row" { (fact.name) } td { (fact.value) } } }
                    @if let Some((name, value)) = noise { tr { th scope="row" { (name) } td { (value) } } }
                } }
            }
        }
    }
}

/// The first says in what bytes the rest is, the third whose file it is.
const META: &str = "<meta charset=\"utf-8\"/><meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/><meta name=\"generator\" content=\"Veilsum\"/><meta name=\"color-scheme\" content=\"light dark\"/>";
