//! `report.png`: the figures of the page on one picture, in the fonts that are shipped with it.

use super::chart::{Figure, HEIGHT, WIDTH, text_width, together};
use super::figures::figures;
use super::history::RunHistory;
use super::html::{Tile, tiles};
use super::style;
use maud::{Markup, html};
use png::{BitDepth, ColorType, Encoder};
use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::fontdb::Database;
use resvg::usvg::{self, Options, Tree};
use std::sync::Arc;
use thiserror::Error;

/// Why there is no picture.
#[derive(Debug, Error)]
pub enum PosterError {
    /// The shapes cannot be read back.
    #[error("picture cannot be read: {0}")]
    Svg(#[from] usvg::Error),
    /// It has no area, or too much.
    #[error("picture of {width} x {height} pixels is not possible")]
    Size {
        /// Pixels to the right.
        width: u32,
        /// Pixels down.
        height: u32,
    },
    /// The pixels cannot be written.
    #[error("picture cannot be written: {0}")]
    Png(#[from] png::EncodingError),
}

/// The picture, two pixels for each unit of its drawing.
pub fn png(history: &RunHistory) -> Result<Vec<u8>, PosterError> {
    let mut fonts = Database::new();
    for font in FONTS {
        fonts.load_font_data(font.to_vec());
    }
    let options = Options {
        font_family: FAMILY.to_owned(),
        fontdb: Arc::new(fonts),
        style_sheet: Some(style::poster()),
        ..Options::default()
    };
    let tree = Tree::from_str(&svg(history), &options)?;
    let size = tree
        .size()
        .to_int_size()
        .scale_by(SCALE)
        .unwrap_or(tree.size().to_int_size());
    let (width, height) = (size.width(), size.height());
    let mut pixels = Pixmap::new(width, height).ok_or(PosterError::Size { width, height })?;
    resvg::render(
        &tree,
        Transform::from_scale(SCALE, SCALE),
        &mut pixels.as_mut(),
    );
    encoded(&pixels)
}

/// The drawing.
pub fn svg(history: &RunHistory) -> String {
    let figures: Vec<Card> = figures(history).into_iter().map(Card::new).collect();
    let tiles = tiles(history);
    let verdict = wrapped(&history.verdict, FULL, 14.0);
    let tiles_at = MARGIN + 34.0 + 20.0 * verdict.len() as f64 + 14.0;
    let figures_at = tiles_at + TILE + GAP;
    let (placed, height) = placed(&figures, figures_at);
    let height = height + MARGIN + 8.0;
    let width = FULL + 2.0 * MARGIN;
    let drawing = html! {
        svg xmlns="http://www.w3.org/2000/svg" width=(width) height=(height) viewBox=(format!("0 0 {width} {height}")) font-family=(FAMILY) {
            rect.page width=(width) height=(height) {}
            text.heading x=(MARGIN) y=(MARGIN + 18.0) { (history.title) }
            @for (index, line) in verdict.iter().enumerate() {
                text.verdict x=(MARGIN) y=(MARGIN + 44.0 + 20.0 * index as f64) { (line) }
            }
            (row(&tiles, tiles_at))
            (together(figures.iter().zip(placed).map(|(card, place)| card.draw(place))))
            text.foot x=(MARGIN) y=(height - 16.0) { "Veilsum. The table of rounds, the settings, and what was hidden and what was not: report.html" }
        }
    };
    drawing.0
}

/// A figure with its text broken into lines.
struct Card {
    figure: Figure,
    caption: Vec<String>,
}

impl Card {
    fn new(figure: Figure) -> Self {
        let caption = wrapped(&figure.caption, WIDTH - 6.0, 11.0);
        Self { figure, caption }
    }

    fn head(&self) -> f64 {
        PAD + 20.0 + 15.0 * self.caption.len() as f64
    }

    fn height(&self) -> f64 {
        self.head() + HEIGHT + PAD / 2.0
    }

    fn draw(&self, (x, y, height): (f64, f64, f64)) -> Markup {
        let inner = x + PAD;
        html! {
            rect.card x=(x) y=(y) width=(COLUMN) height=(height) rx="10" {}
            text.title x=(inner) y=(y + PAD + 10.0) { (self.figure.title) }
            @for (index, line) in self.caption.iter().enumerate() {
                text.caption x=(inner) y=(y + PAD + 28.0 + 15.0 * index as f64) { (line) }
            }
            g transform=(format!("translate({inner} {})", y + self.head() + 2.0)) { (self.figure.shapes) }
        }
    }
}

/// Cards in rows of two, the two of a row equally high: place and height of each, and where the last row ends.
fn placed(cards: &[Card], from: f64) -> (Vec<(f64, f64, f64)>, f64) {
    let mut y = from;
    let mut places = Vec::with_capacity(cards.len());
    for pair in cards.chunks(2) {
        let height = pair.iter().map(Card::height).fold(0.0, f64::max);
        let columns = [MARGIN, MARGIN + COLUMN + GAP];
        places.extend(pair.iter().zip(columns).map(|(_, x)| (x, y, height)));
        y += height + GAP;
    }
    (places, y)
}

fn row(tiles: &[Tile], y: f64) -> Markup {
    let count = tiles.len().max(1) as f64;
    let width = (FULL - GAP * (count - 1.0)) / count;
    html! {
        @for (index, tile) in tiles.iter().enumerate() {
            @let x = MARGIN + (width + GAP) * index as f64;
            rect.card x=(x) y=(y) width=(width) height=(TILE) rx="10" {}
            text.figure-name x=(x + 14.0) y=(y + 22.0) { (tile.name) }
            text.figure x=(x + 14.0) y=(y + 49.0) { (tile.value) }
            text.figure-name x=(x + 14.0) y=(y + 69.0) { (tile.beside) }
        }
    }
}

/// Lines of words that are no wider than `width`, at `size` pixels.
fn wrapped(text: &str, width: f64, size: f64) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if text_width(&format!("{line} {word}")) * size / 11.0 <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// PNG with a word on who made it, which [`super::files`] looks for before it replaces a file.
fn encoded(pixels: &Pixmap) -> Result<Vec<u8>, PosterError> {
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, pixels.width(), pixels.height());
    encoder.set_color(ColorType::Rgba);
    encoder.set_depth(BitDepth::Eight);
    encoder.add_text_chunk(SOFTWARE.to_owned(), VEILSUM.to_owned())?;
    let mut writer = encoder.write_header()?;
    // the page is opaque, so premultiplied colours are colours
    writer.write_image_data(pixels.data())?;
    writer.finish()?;
    Ok(bytes)
}

/// Key of the text in the picture that says who made it.
pub const SOFTWARE: &str = "Software";
/// Its value.
pub const VEILSUM: &str = "Veilsum";

const FONTS: [&[u8]; 2] = [
    include_bytes!("../../fonts/Inter-Regular.ttf"),
    include_bytes!("../../fonts/Inter-SemiBold.ttf"),
];
const FAMILY: &str = "Inter";
const SCALE: f32 = 2.0;
const MARGIN: f64 = 32.0;
const PAD: f64 = 16.0;
const GAP: f64 = 14.0;
const TILE: f64 = 82.0;
const COLUMN: f64 = WIDTH + 2.0 * PAD;
const FULL: f64 = 2.0 * COLUMN + GAP;
