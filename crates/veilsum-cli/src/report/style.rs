//! What classes look like: in the page with the reader's choice of light or dark, in the picture always light.

use std::fmt::Write as _;

/// Names of colours, their value on light paper and on dark.
const COLOURS: [(&str, &str, &str); 12] = [
    ("page", "#f5f6f8", "#0e1217"),
    ("card", "#ffffff", "#161b22"),
    ("ink", "#151a21", "#e7ebf0"),
    ("soft", "#596273", "#9aa5b4"),
    ("grid", "#e8ebef", "#262d37"),
    ("axis", "#a9b1bd", "#4b5563"),
    ("blue", "#1d63c9", "#6aa9ff"),
    ("pale", "#b5d0f1", "#2c4a73"),
    ("orange", "#d9780a", "#f2a24b"),
    ("teal", "#0b8574", "#3fc3ae"),
    ("grey", "#6b7482", "#97a1b0"),
    ("red", "#c2352b", "#ff7b6f"),
];

/// Shapes of figures. `{name}` stands for a colour.
const SHAPES: &str = "
text { font-size: 11px; fill: {soft} }
.end { text-anchor: end }
.middle { text-anchor: middle }
.grid { stroke: {grid}; stroke-width: 1 }
.axis { stroke: {axis}; stroke-width: 1 }
.row { fill: {ink} }
.name { font-weight: 600 }
.value { fill: {ink} }
.count { fill: {card}; font-size: 10px; font-weight: 600 }
.cross { fill: {red}; font-size: 15px; font-weight: 600 }
.leader { fill: none; stroke: {axis}; stroke-width: 1 }
.line { fill: none; stroke-width: 2; stroke-linejoin: round; stroke-linecap: round }
.level { stroke-width: 1.5; stroke-dasharray: 5 4 }
.area { fill-opacity: 0.12; stroke: none }
.line.secure { stroke: {blue} }
.line.plain { stroke: {orange} }
.line.broad { stroke-width: 7; stroke-opacity: 0.4 }
.dot.plain { fill: {orange}; fill-opacity: 0.5 }
.line.down { stroke: {teal} }
.level.pooled { stroke: {grey} }
.level.plain { stroke: {orange} }
.level.down { stroke: {teal} }
.dot.secure, .area.secure, .name.secure { fill: {blue} }
.dot.down, .name.down { fill: {teal} }
.name.plain { fill: {orange} }
.name.pooled { fill: {grey} }
.bar.stayed { fill: {pale} }
.bar.later, .spot.later { fill: {blue} }
.bar.lost, .spot.lost { fill: {orange} }
.name.stayed { fill: {soft} }
.name.later { fill: {blue} }
.name.lost { fill: {orange} }
.spot { stroke: {card}; stroke-width: 1 }
.tip { fill: none; pointer-events: all }
";

/// The picture's own text, beside [`SHAPES`].
const POSTER: &str = "
.page { fill: {page} }
.card { fill: {card}; stroke: {grid}; stroke-width: 1 }
.heading { font-size: 24px; font-weight: 600; fill: {ink} }
.verdict { font-size: 14px; fill: {soft} }
.title { font-size: 14.5px; font-weight: 600; fill: {ink} }
.caption { font-size: 11px; fill: {soft} }
.figure { font-size: 22px; font-weight: 600; fill: {ink} }
.figure-name { font-size: 11.5px; fill: {soft} }
.foot { font-size: 10.5px; fill: {soft} }
";

/// Style sheet of the page.
pub fn page() -> String {
    let mut sheet = String::from(":root { color-scheme: light dark;");
    for (name, light, _) in COLOURS {
        let _ = write!(sheet, " --{name}: {light};");
    }
    sheet += " }\n@media screen and (prefers-color-scheme: dark) { :root {";
    for (name, _, dark) in COLOURS {
        let _ = write!(sheet, " --{name}: {dark};");
    }
    sheet += " } }\n";
    sheet += PAGE;
    for rule in filled(SHAPES, |name, _| format!("var(--{name})")).lines() {
        if let Some((selectors, body)) = rule.split_once(" {") {
            // within figures only: the short names of shapes mean nothing elsewhere
            let own: Vec<String> = selectors
                .split(", ")
                .map(|one| format!("svg {one}"))
                .collect();
            let _ = writeln!(sheet, "{} {{{body}", own.join(", "));
        }
    }
    sheet
}

/// Style sheet of the picture.
pub fn poster() -> String {
    filled(&format!("{SHAPES}{POSTER}"), |_, light| light.to_owned())
}

fn filled(sheet: &str, value: impl Fn(&str, &str) -> String) -> String {
    COLOURS
        .iter()
        .fold(sheet.to_owned(), |sheet, (name, light, _)| {
            sheet.replace(&format!("{{{name}}}"), &value(name, light))
        })
}

const PAGE: &str = "
* { box-sizing: border-box }
body { margin: 0; background: var(--page); color: var(--ink); font: 16px/1.5 Inter, system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif; font-variant-numeric: tabular-nums }
main { max-width: 1080px; margin: 0 auto; padding: 2.5rem 1.25rem 3rem }
h1 { font-size: clamp(1.4rem, 4vw, 1.9rem); line-height: 1.2; letter-spacing: -0.015em; margin: 0 0 .4rem }
h2 { font-size: 1.1rem; margin: 2.5rem 0 .8rem }
h3 { font-size: 1rem; margin: 0 }
p { margin: 0; text-wrap: pretty }
.lead { color: var(--soft); max-width: 46rem }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(10rem, 1fr)); gap: .8rem; margin: 1.6rem 0 .8rem; padding: 0 }
.tile, figure, .box { background: var(--card); border: 1px solid var(--grid); border-radius: .6rem }
.tile { padding: .8rem 1rem }
.tile dt { color: var(--soft); font-size: .8rem }
.tile dd { margin: 0; font-size: 1.45rem; font-weight: 600; line-height: 1.3; letter-spacing: -0.01em }
.tile dd.beside { font-size: .8rem; font-weight: 400; color: var(--soft); letter-spacing: 0 }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr)); gap: .8rem }
figure { margin: 0; padding: 1rem 1rem .6rem; break-inside: avoid }
figcaption p { color: var(--soft); font-size: .82rem; line-height: 1.4; margin: .15rem 0 .5rem }
figure svg { display: block; width: 100%; height: auto; overflow: visible; font-family: inherit }
.scroll { overflow-x: auto }
table { border-collapse: collapse; width: 100%; font-size: .85rem }
th, td { padding: .4rem .75rem; text-align: left; white-space: nowrap; vertical-align: top; border-bottom: 1px solid var(--grid) }
tbody tr:last-child > * { border-bottom: 0 }
thead th { color: var(--soft); font-weight: 500; vertical-align: bottom; white-space: normal }
thead small { display: block; font-size: .85em; font-weight: 400; min-width: 7em }
.number { text-align: right }
.wrap { white-space: normal; min-width: 12rem }
code { font: .8rem/1.5 ui-monospace, 'SF Mono', Menlo, Consolas, monospace }
.good { color: var(--teal); font-weight: 600 }
.bad { color: var(--red); font-weight: 600 }
.settings th { color: var(--soft); font-weight: 400 }
.settings td { white-space: normal }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 22rem), 1fr)); gap: .8rem }
.box { padding: 1rem 1.2rem }
.box ul { margin: .5rem 0 0; padding-left: 1.1rem }
.box li { margin: .3rem 0 }
footer { color: var(--soft); font-size: .8rem; margin-top: 2.5rem }
@media (max-width: 30rem) { main { padding: 1.4rem .8rem 2rem } figure { padding: .8rem .6rem .4rem } .tile dd { font-size: 1.2rem } }
@media print { @page { margin: 14mm } body { background: none; font-size: 10.5pt } main { max-width: none; padding: 0 } h1 { font-size: 18pt } h2 { margin: 18pt 0 6pt } .tiles { grid-template-columns: none; grid-auto-flow: column; grid-auto-columns: 1fr; gap: 6pt } .tile { padding: 5pt 7pt } .tile dt, .tile dd.beside { font-size: 7.5pt } .tile dd { font-size: 13pt } .figures { grid-template-columns: 1fr 1fr } figcaption p { font-size: 8pt } .pair { grid-template-columns: 1fr 1fr } h2 { break-after: avoid } tr, .box { break-inside: avoid } thead { display: table-header-group } .scroll { overflow: visible } table { font-size: 7.5pt } th, td { padding: 2pt 4pt } td { white-space: normal } code { font-size: 7pt } }
";
