//! Where a report goes, and what it may replace there: an earlier report and nothing else.

use super::history::RunHistory;
use super::html;
use super::poster::{self, SOFTWARE, VEILSUM};
use crate::exit::{Failure, Kind};
use crate::files::{self, Existing, Readers};
use std::fs;
use std::io::{Cursor, ErrorKind};
use std::path::{Path, PathBuf};

/// A folder that a report can be written to.
#[derive(Clone, Debug)]
pub struct Place {
    folder: PathBuf,
}

/// The files of a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// The page.
    pub html: PathBuf,
    /// The picture.
    pub png: PathBuf,
}

impl Place {
    /// Makes the folder unless it is there, and looks at what it holds.
    ///
    /// # Errors
    ///
    /// [`Kind::Io`] if it cannot be written to, or holds a `report.html` or `report.png` that is not a report of Veilsum.
    pub fn new(folder: &Path) -> Result<Self, Failure> {
        files::usable_folder(folder)?;
        let place = Self {
            folder: folder.to_owned(),
        };
        place.refuse_foreign()?;
        Ok(place)
    }

    /// Writes both files; an earlier report is replaced.
    ///
    /// # Errors
    ///
    /// [`Kind::Io`] if a file cannot be written, or a foreign one has come there since.
    pub fn write(&self, history: &RunHistory) -> Result<Written, Failure> {
        let page = html::page(history);
        let picture = poster::png(history).map_err(Failure::failed)?;
        self.refuse_foreign()?;
        let written = Written {
            html: self.html(),
            png: self.png(),
        };
        files::write(
            &written.html,
            page.as_bytes(),
            Readers::Everyone,
            Existing::Replace,
        )?;
        files::write(&written.png, &picture, Readers::Everyone, Existing::Replace)?;
        Ok(written)
    }

    fn html(&self) -> PathBuf {
        self.folder.join("report.html")
    }

    fn png(&self) -> PathBuf {
        self.folder.join("report.png")
    }

    fn refuse_foreign(&self) -> Result<(), Failure> {
        refuse_foreign(&self.html(), is_page)?;
        refuse_foreign(&self.png(), is_picture)
    }
}

fn refuse_foreign(path: &Path, is_ours: fn(&[u8]) -> bool) -> Result<(), Failure> {
    match fs::read(path) {
        Ok(bytes) if is_ours(&bytes) => Ok(()),
        Ok(_) => Err(Failure::new(
            Kind::Io,
            format_args!(
                "{} exists already and is no report of Veilsum",
                path.display()
            ),
        )
        .hint("name another folder with --report")),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(Failure::io(path, &error)),
    }
}

fn is_page(bytes: &[u8]) -> bool {
    const MARK: &[u8] = b"<meta name=\"generator\" content=\"Veilsum\"/>";
    bytes
        .windows(MARK.len())
        .take(4096)
        .any(|window| window == MARK)
}

fn is_picture(bytes: &[u8]) -> bool {
    let Ok(reader) = png::Decoder::new(Cursor::new(bytes)).read_info() else {
        return false;
    };
    let texts = &reader.info().uncompressed_latin1_text;
    texts
        .iter()
        .any(|text| text.keyword == SOFTWARE && text.text == VEILSUM)
}

#[cfg(test)]
mod tests {
    use super::super::testing::run;
    use super::*;

    #[test]
    fn report_replaces_an_earlier_report() {
        let folder = tempfile::tempdir().unwrap();
        let place = Place::new(folder.path()).unwrap();
        place.write(&run(3, 5)).unwrap();
        let written = Place::new(folder.path())
            .unwrap()
            .write(&run(3, 4))
            .unwrap();
        assert!(
            fs::read_to_string(written.html)
                .unwrap()
                .contains("3 members, 4 rounds")
        );
    }

    #[test]
    fn foreign_file_is_not_replaced() {
        for name in ["report.html", "report.png"] {
            let folder = tempfile::tempdir().unwrap();
            let place = Place::new(folder.path()).unwrap();
            let path = folder.path().join(name);
            fs::write(&path, "<html>mine</html>").unwrap();
            assert_eq!(Place::new(folder.path()).unwrap_err().kind, Kind::Io);
            assert_eq!(place.write(&run(3, 1)).unwrap_err().kind, Kind::Io);
            assert_eq!(fs::read_to_string(&path).unwrap(), "<html>mine</html>");
        }
    }
}
