use std::fs;

use tempfile::TempDir;
use veilsum_proto::identity::Identity;
use veilsum_proto::ids::{Attempt, RosterDigest, Sid2, SurvivorsDigest, TaskDigest, UpdateDigest};
use veilsum_proto::ledger::{LedgerRefusal, Limit, Reuse};
use veilsum_proto::task::Task;

use super::*;

const TASK: TaskDigest = TaskDigest([1; 32]);
const ROSTER: RosterDigest = RosterDigest([2; 32]);
const UPDATE: UpdateDigest = UpdateDigest([3; 32]);

/// Whose ledger it is.
fn member() -> PublicKey {
    Identity::from_secret_bytes(&[6; 32]).public()
}

fn advert(round: u64, attempt: u32) -> Entry {
    Entry::Advert {
        task: TASK,
        roster: ROSTER,
        round: Round(round),
        attempt: Attempt(attempt),
    }
}

fn update(round: u64) -> Entry {
    Entry::Update {
        task: TASK,
        round: Round(round),
        attempt: Attempt(0),
        update: UPDATE,
    }
}

fn signed(round: u64) -> Entry {
    Entry::Signed {
        task: TASK,
        round: Round(round),
        sid2: Sid2([4; 32]),
        survivors: SurvivorsDigest([5; 32]),
    }
}

/// A folder with a ledger of three entries, and a place for a second mark.
struct Site {
    folder: TempDir,
    elsewhere: TempDir,
}

impl Site {
    fn new() -> Self {
        let site = Self {
            folder: tempfile::tempdir().unwrap(),
            elsewhere: tempfile::tempdir().unwrap(),
        };
        let mut ledger = site.files().create(&member()).unwrap();
        for entry in [advert(0, 0), update(0), signed(0)] {
            ledger.record(entry).unwrap();
        }
        site
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("ledger.jsonl")
    }

    fn beside(&self) -> PathBuf {
        self.folder.path().join("ledger.jsonl.mark")
    }

    fn far(&self) -> PathBuf {
        self.elsewhere.path().join("member.mark")
    }

    fn files(&self) -> LedgerFiles {
        LedgerFiles::new(self.path()).second_mark(self.far())
    }

    fn open(&self) -> FileLedger {
        self.files().open().unwrap()
    }

    fn refused(&self) -> &'static str {
        self.files().open().unwrap_err().kind()
    }

    fn text(&self) -> String {
        fs::read_to_string(self.path()).unwrap()
    }
}

// spec: [ledger.rollback]
#[test]
fn a_ledger_can_be_looked_at_while_it_is_held_and_stays_as_it_is() {
    let site = Site::new();
    let mut held = site.open();
    let text = site.text();
    let view = LedgerView::read(site.path()).unwrap();
    assert_eq!((view.member(), view.entries().count()), (&member(), 3));
    assert!(view.state().certified(&TASK, Round(0)).is_some());
    assert_eq!(site.text(), text);
    held.record(advert(1, 0)).unwrap();
    let view = LedgerView::read(site.path()).unwrap();
    assert_eq!(view.entries().next_back().unwrap().1, &advert(1, 0));

    // a write that is under way, and a ledger that was rolled back
    fs::write(site.path(), format!("{}{{\"seq\"", site.text())).unwrap();
    assert_eq!(LedgerView::read(site.path()).unwrap().entries().count(), 4);
    fs::write(site.path(), text).unwrap();
    assert_eq!(
        LedgerView::read(site.path()).unwrap_err().kind(),
        held_back()
    );
}

/// What opening says of a ledger with fewer entries than its mark counts.
fn held_back() -> &'static str {
    let site = Site::new();
    let text = site.text();
    site.open().record(advert(1, 0)).unwrap();
    fs::write(site.path(), text).unwrap();
    site.refused()
}

// spec: [join.ledger]
#[test]
fn a_reopened_ledger_forbids_what_the_closed_one_forbade() {
    let site = Site::new();
    let ledger = site.open();
    let state = ledger.state().unwrap();
    let join =
        |round, attempt| state.may_join(&TASK, &ROSTER, Round(round), Attempt(attempt), true);
    assert_eq!(
        join(0, 1),
        Err(LedgerRefusal::RoundClosed { round: Round(0) })
    );
    let twice = LedgerRefusal::SignedBefore { round: Round(0) };
    assert_eq!(state.may_sign(&TASK, Round(0)), Err(twice));
    let used = LedgerRefusal::UpdateUsed {
        task: TASK,
        round: Round(0),
    };
    assert_eq!(
        state.may_upload(&TASK, Round(1), &UPDATE, Reuse::Never),
        Err(used)
    );
    drop(ledger);
    let mut ledger = site.open();
    ledger.record(advert(1, 2)).unwrap();
    drop(ledger);
    let ledger = site.open();
    let state = ledger.state().unwrap();
    let old = LedgerRefusal::OldAttempt {
        round: Round(1),
        got: Attempt(2),
        had: Attempt(2),
    };
    let join =
        |round, attempt| state.may_join(&TASK, &ROSTER, Round(round), Attempt(attempt), true);
    assert_eq!(join(1, 2), Err(old));
    assert_eq!(join(1, 3), Ok(()));
    assert!(matches!(join(0, 9), Err(LedgerRefusal::OldRound { .. })));
}

// spec: [ledger.charged]
#[test]
fn what_was_charged_costs_the_same_after_the_ledger_is_opened_again() {
    let site = Site::new();
    let text = "version = 1\nname = \"noisy\"\ncorrupt = 1\ndropout = 1\n[encoding]\nkind = \"float\"\nclip = { l2 = 0.7 }\n\
                precision_bits = 12\nrotation = true\n[noise]\nlaw = \"skellam\"\nparameter = 12345678.9\nunit = \"member\"\n\
                delta = 0.0000012\n[[tensors]]\nname = \"w\"\nshape = [1000]\ndtype = \"f32\"\n";
    let task = Task::from_toml(text).unwrap();
    let noise = task.round_noise(5).unwrap().unwrap();
    let charged = |round| Entry::Charged {
        task: task.digest(),
        round: Round(round),
        release: Box::new(noise.release().clone()),
        delta: noise.delta(),
    };
    let mut ledger = site.open();
    for round in [1, 2, 7] {
        ledger.record(charged(round)).unwrap();
    }
    let spent = |ledger: &FileLedger| {
        let state = ledger.state().unwrap();
        let limit = Limit {
            unit: noise.unit(),
            epsilon: 8.0,
            delta: noise.delta(),
        };
        let total = state.spent_total(limit).unwrap();
        (state.spent(&task.digest(), noise.delta()).unwrap(), total)
    };
    let before = spent(&ledger);
    assert_eq!(before.0, noise.total(3));
    // at an order that is fixed by the limit, not the best of all
    assert!(before.1.epsilon >= before.0.epsilon && before.1.epsilon < before.0.epsilon * 2.0);
    drop(ledger);
    let mut ledger = site.open();
    assert_eq!(spent(&ledger), before);
    let state = ledger.state().unwrap();
    assert_eq!(
        state.charged(&task.digest(), Round(7)),
        Some(noise.release())
    );
    assert_eq!(state.charged(&task.digest(), Round(3)), None);
    // a round is paid for once
    ledger.record(charged(7)).unwrap();
    drop(ledger);
    assert_eq!(spent(&site.open()), before);
}

// spec: [ledger.chain]
#[test]
fn each_line_carries_the_digest_of_the_line_before() {
    let site = Site::new();
    let text = site.text();
    let lines = text.lines().collect::<Vec<_>>();
    assert_eq!(lines.len(), 4);
    for pair in lines.windows(2) {
        let before = chain::digest(format!("{}\n", pair[0]).as_bytes());
        let line: serde_json::Value = serde_json::from_str(pair[1]).unwrap();
        assert_eq!(line["previous"], before.to_string());
    }
}

// spec: [ledger.chain]
#[test]
fn every_change_of_an_acknowledged_byte_is_noticed() {
    let site = Site::new();
    let bytes = fs::read(site.path()).unwrap();
    for place in (0..bytes.len()).step_by(7).chain([bytes.len() - 1]) {
        let mut changed = bytes.clone();
        changed[place] ^= 1;
        fs::write(site.path(), &changed).unwrap();
        assert!(site.files().open().is_err(), "byte {place}");
    }
    fs::write(site.path(), &bytes).unwrap();
    site.open();
}

// spec: [ledger.chain]
#[test]
fn lines_left_out_or_exchanged_are_named() {
    let site = Site::new();
    let text = site.text();
    let lines = text.split_inclusive('\n').collect::<Vec<_>>();
    let orders: [&[usize]; 3] = [&[0, 1, 3], &[0, 2, 1, 3], &[1, 2, 3]];
    for order in orders {
        let changed = order.iter().map(|index| lines[*index]).collect::<String>();
        fs::write(site.path(), changed).unwrap();
        assert_eq!(site.refused(), "ledger_damaged", "{order:?}");
    }
}

// spec: [ledger.rollback]
#[test]
fn an_older_copy_is_refused_by_the_mark_beside_it() {
    let site = Site::new();
    let old = fs::read(site.path()).unwrap();
    site.open().record(advert(1, 0)).unwrap();
    fs::write(site.path(), old).unwrap();
    let error = site.files().open().unwrap_err();
    assert_eq!(error.kind(), "ledger_rolled_back");
    let text = error.to_string();
    assert!(
        text.contains("has 3 entries") && text.contains("counts 4"),
        "{text}"
    );
}

// spec: [ledger.rollback]
#[test]
fn an_older_copy_with_its_mark_is_refused_by_the_mark_elsewhere() {
    let site = Site::new();
    let (ledger, mark) = (
        fs::read(site.path()).unwrap(),
        fs::read(site.beside()).unwrap(),
    );
    site.open().record(advert(1, 0)).unwrap();
    fs::write(site.path(), &ledger).unwrap();
    fs::write(site.beside(), &mark).unwrap();
    assert_eq!(site.refused(), "ledger_rolled_back");
    // nothing but the mark elsewhere can tell
    LedgerFiles::new(site.path()).open().unwrap();
}

// spec: [ledger.rollback]
#[test]
fn an_older_copy_that_went_on_is_refused() {
    let site = Site::new();
    let (ledger, mark) = (
        fs::read(site.path()).unwrap(),
        fs::read(site.beside()).unwrap(),
    );
    site.open().record(advert(1, 0)).unwrap();
    fs::write(site.path(), &ledger).unwrap();
    fs::write(site.beside(), &mark).unwrap();
    let mut copy = LedgerFiles::new(site.path()).open().unwrap();
    copy.record(advert(2, 0)).unwrap();
    drop(copy);
    assert_eq!(site.refused(), "ledger_forked");
}

// spec: [ledger.rollback]
#[test]
fn another_ledger_in_its_place_is_refused() {
    let site = Site::new();
    fs::write(site.path(), Site::new().text()).unwrap();
    assert_eq!(site.refused(), "ledger_forked");
}

// spec: [ledger.missing]
#[test]
fn a_ledger_is_never_made_by_opening_it() {
    let folder = tempfile::tempdir().unwrap();
    let error = FileLedger::open(folder.path().join("ledger")).unwrap_err();
    assert_eq!(error.kind(), "ledger_not_created");
}

// spec: [ledger.missing]
#[test]
fn a_lost_ledger_is_not_replaced_while_a_mark_is_there() {
    let site = Site::new();
    fs::remove_file(site.path()).unwrap();
    let error = site.files().open().unwrap_err();
    assert_eq!(error.kind(), "ledger_lost");
    assert!(error.to_string().contains("counts 3 entries"), "{error}");
    assert_eq!(
        site.files().create(&member()).unwrap_err().kind(),
        "ledger_exists"
    );
    fs::remove_file(site.beside()).unwrap();
    assert_eq!(site.refused(), "ledger_lost");
    assert_eq!(
        site.files().create(&member()).unwrap_err().kind(),
        "ledger_exists"
    );
    // the operator acts
    fs::remove_file(site.far()).unwrap();
    site.files().create(&member()).unwrap();
}

// spec: [ledger.missing]
#[test]
fn a_lost_or_damaged_mark_is_refused() {
    let site = Site::new();
    let mark = fs::read(site.beside()).unwrap();
    fs::remove_file(site.beside()).unwrap();
    assert_eq!(site.refused(), "ledger_mark_missing");
    fs::write(site.beside(), b"{}").unwrap();
    assert_eq!(site.refused(), "ledger_mark_damaged");
    fs::write(site.beside(), mark).unwrap();
    site.open();
}

// spec: [ledger.torn]
#[test]
fn every_torn_line_beyond_the_marks_is_dropped() {
    let site = Site::new();
    let whole = fs::read(site.path()).unwrap();
    let line = Line {
        seq: 4,
        at: 0,
        previous: site.open().mark.head,
        opening: None,
        entry: advert(1, 0),
    };
    let line = line.encode();
    for cut in 1..line.len() {
        fs::write(site.path(), [&whole, &line[..cut]].concat()).unwrap();
        assert_eq!(site.open().entries(), 3, "{cut}");
        assert_eq!(fs::read(site.path()).unwrap(), whole);
    }
    // the disk may have grown the file without its content, line end included
    let mut zeros = vec![0; 40];
    zeros.push(b'\n');
    fs::write(site.path(), [whole.as_slice(), &zeros].concat()).unwrap();
    assert_eq!(site.open().entries(), 3);
    // torn, dropped, and gone on from there
    let mut ledger = site.open();
    ledger.record(advert(1, 0)).unwrap();
    drop(ledger);
    assert_eq!(site.open().entries(), 4);
}

// spec: [ledger.torn]
#[test]
fn a_whole_line_beyond_the_marks_is_kept() {
    let site = Site::new();
    let line = Line {
        seq: 4,
        at: 0,
        previous: site.open().mark.head,
        opening: None,
        entry: advert(1, 0),
    };
    let text = site.text() + &String::from_utf8(line.encode()).unwrap();
    fs::write(site.path(), text).unwrap();
    let ledger = site.open();
    assert_eq!(ledger.entries(), 4);
    assert!(ledger.has_joined(&TASK, Round(1)));
}

// spec: [ledger.torn]
#[test]
fn a_torn_line_that_was_acknowledged_is_not_dropped() {
    let site = Site::new();
    let whole = fs::read(site.path()).unwrap();
    for cut in [1, 2, 30] {
        fs::write(site.path(), &whole[..whole.len() - cut]).unwrap();
        assert_eq!(site.refused(), "ledger_damaged");
        assert_eq!(fs::read(site.path()).unwrap().len(), whole.len() - cut);
    }
}

// spec: [ledger.lock]
#[test]
fn a_second_holder_is_locked_out() {
    let site = Site::new();
    let ledger = site.open();
    assert_eq!(site.refused(), "ledger_locked");
    drop(ledger);
    site.open();
}

// spec: [ledger.clone]
#[test]
fn a_copy_that_shares_a_mark_stops_both() {
    let site = Site::new();
    let clone = tempfile::tempdir().unwrap();
    let path = clone.path().join("ledger.jsonl");
    fs::copy(site.path(), &path).unwrap();
    fs::copy(site.beside(), clone.path().join("ledger.jsonl.mark")).unwrap();
    let mut first = site.open();
    let mut second = LedgerFiles::new(&path)
        .second_mark(site.far())
        .open()
        .unwrap();
    first.record(advert(1, 0)).unwrap();
    let error = second.record(advert(1, 0)).unwrap_err();
    assert!(error.to_string().contains("another process"), "{error}");
    assert!(second.state().is_err(), "nothing more is done with it");
}

/// Both look at the mark before either writes it, and write the same entry in the same second.
// spec: [ledger.clone] [ledger.opening]
#[test]
fn a_copy_that_acts_in_the_same_second_is_found_out_by_its_next_act() {
    let site = Site::new();
    let clone = tempfile::tempdir().unwrap();
    let path = clone.path().join("ledger.jsonl");
    fs::copy(site.path(), &path).unwrap();
    fs::copy(site.beside(), clone.path().join("ledger.jsonl.mark")).unwrap();
    let copy = LedgerFiles::new(&path).second_mark(site.far());
    let (mut first, mut second) = (site.open(), copy.open().unwrap());
    (first.last_at, second.last_at) = (u64::MAX, u64::MAX);
    first.check_marks().unwrap();
    second.check_marks().unwrap();
    first.write(advert(1, 0)).unwrap();
    second.write(advert(1, 0)).unwrap();
    assert_ne!(first.mark, second.mark);
    let error = first.record(signed(1)).unwrap_err();
    assert!(error.to_string().contains("another process"), "{error}");
    drop(first);
    assert_eq!(site.refused(), "ledger_forked");
    second.record(signed(1)).unwrap();
}

// spec: [ledger.opening]
#[test]
fn lines_carry_their_opening_and_older_ones_without_it_are_read() {
    let site = Site::new();
    let (mut head, mut text) = (None, String::new());
    for line in site.text().split_inclusive('\n') {
        let kept = match head {
            None => line.to_owned(),
            Some(previous) => {
                let mut line: Line = serde_json::from_str(line).unwrap();
                assert!(line.opening.take().is_some());
                line.previous = previous;
                String::from_utf8(line.encode()).unwrap()
            }
        };
        head = Some(chain::digest(kept.as_bytes()));
        text += &kept;
    }
    assert!(!text.contains("opening"));
    fs::write(site.path(), text).unwrap();
    for mark in [site.beside(), site.far()] {
        let mut old = Mark::read(&mark).unwrap().unwrap();
        old.head = head.unwrap();
        old.write(&mark).unwrap();
    }
    site.open().record(advert(1, 0)).unwrap();
    let ledger = site.open();
    assert_eq!(ledger.entries(), 4);
    assert!(ledger.has_joined(&TASK, Round(1)));
}

// spec: [ledger.unwritable]
#[test]
fn a_ledger_that_could_not_be_written_once_records_nothing_more() {
    let site = Site::new();
    let mut ledger = site.open();
    // the mark cannot be replaced
    let stone = site.folder.path().join("ledger.jsonl.mark.new");
    fs::create_dir(&stone).unwrap();
    assert!(ledger.record(advert(1, 0)).is_err());
    fs::remove_dir(&stone).unwrap();
    assert!(ledger.record(advert(1, 1)).is_err());
    assert!(ledger.state().is_err());
    drop(ledger);
    // on the disk, but never acknowledged; keeping it forbids one attempt and allows none
    let ledger = site.open();
    assert_eq!(ledger.entries(), 4);
    drop(ledger);
    fs::create_dir(&stone).unwrap();
    assert_eq!(
        site.refused(),
        "ledger_io",
        "found before a round is joined"
    );
}

// spec: [policy.rounds]
#[test]
fn rounds_of_the_day_count_rounds_not_attempts() {
    let site = Site::new();
    let mut ledger = site.open();
    assert_eq!(ledger.rounds_of_the_day(), 1);
    ledger.record(advert(1, 0)).unwrap();
    ledger.record(advert(1, 1)).unwrap();
    assert_eq!(ledger.rounds_of_the_day(), 2);
    drop(ledger);
    assert_eq!(site.open().rounds_of_the_day(), 2);
    let mut ledger = site.open();
    ledger.joined.insert((TASK, Round(0)), now() - DAY - 1);
    ledger.joined.insert((TASK, Round(1)), now() + 10 * DAY);
    assert_eq!(
        ledger.rounds_of_the_day(),
        1,
        "the future counts, the past does not"
    );
}

// spec: [ledger.rollback]
#[test]
fn a_mark_can_be_added_later() {
    let folder = tempfile::tempdir().unwrap();
    let (path, far) = (folder.path().join("ledger"), folder.path().join("far"));
    let mut ledger = FileLedger::create(&path, &member()).unwrap();
    ledger.add_mark(&far).unwrap();
    assert_eq!(ledger.add_mark(&far).unwrap_err().kind(), "ledger_exists");
    ledger.record(advert(0, 0)).unwrap();
    drop(ledger);
    LedgerFiles::new(&path).second_mark(&far).open().unwrap();
}

// spec: [ledger.durable] [ledger.mark]
#[test]
fn line_and_marks_are_there_when_record_returns() {
    let site = Site::new();
    let mut ledger = site.open();
    ledger.record(advert(1, 0)).unwrap();
    let text = site.text();
    let last = text.split_inclusive('\n').next_back().unwrap();
    assert!(last.ends_with('\n') && last.contains("\"round\":1"));
    for place in [site.beside(), site.far()] {
        let mark = Mark::read(&place).unwrap().unwrap();
        assert_eq!(
            (mark.entries, mark.head),
            (4, chain::digest(last.as_bytes()))
        );
    }
}

#[cfg(unix)]
#[test]
fn the_files_are_the_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let site = Site::new();
    for path in [site.path(), site.beside(), site.far()] {
        let mode = fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
