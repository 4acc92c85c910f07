use super::*;
use veilsum_learn::stats::{Kind, Parameters};

fn query(columns: &[&str], rows: u32) -> Query {
    let columns = columns.iter().map(|name| (*name).to_owned()).collect();
    Query::new(Parameters::new(Kind::Count, columns, rows)).unwrap()
}

fn rows(
    text: &str,
    query: &Query,
    empty: Empty,
    noised: bool,
) -> Result<(Array2<f64>, LeftOut), Failure> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.csv");
    std::fs::write(&path, text).unwrap();
    let most = query.rows();
    let reading = Reading {
        most,
        whole: &[],
        empty,
        noised,
    };
    read(&path, query, reading)
}

#[test]
fn columns_are_found_by_name_and_quoted_cells_read() {
    let text = "id,\"b\", a \n1,2,3\n2, -4 ,\"1e2\"\n";
    let (found, _) = rows(text, &query(&["a", "b"], 9), Empty::Refuse, false).unwrap();
    assert_eq!(found, ndarray::array![[3.0, 2.0], [100.0, -4.0]]);
    let (found, _) = rows(text, &query(&[], 9), Empty::Refuse, false).unwrap();
    assert_eq!(found.dim(), (2, 0));
}

#[test]
fn empty_cells_end_it_or_leave_their_row_out() {
    // spec: [stats.query.missing]
    let text = "a,b\n1,\n,2\n3,4\n";
    let told = rows(text, &query(&["b"], 9), Empty::Refuse, false).unwrap_err();
    assert!(
        told.message()
            .contains("t.csv: line 2, column \"b\": the cell is empty"),
        "{told}"
    );
    let (found, left_out) = rows(text, &query(&["a", "b"], 9), Empty::Skip, false).unwrap();
    assert_eq!(found, ndarray::array![[3.0, 4.0]]);
    assert_eq!(
        left_out,
        LeftOut {
            empty: 2,
            ..LeftOut::default()
        }
    );
}

#[test]
fn bad_cells_are_named_and_not_quoted() {
    for cell in ["secret", "12 years", "NaN", "inf", "1,5"] {
        let text = format!("a,b\n1,2\n\"{cell}\",3\n");
        let told = rows(&text, &query(&["a"], 9), Empty::Skip, false).unwrap_err();
        assert!(told.message().contains("line 3, column \"a\""), "{told}");
        assert!(!told.to_string().contains(cell), "{told}");
    }
    let told = rows("a,b\n1,2\n3\n", &query(&["a"], 9), Empty::Skip, false).unwrap_err();
    assert!(
        told.message()
            .contains("line 3: found 1 cells, the head has 2"),
        "{told}"
    );
    let told = rows("a,b\n", &query(&["c"], 9), Empty::Skip, false).unwrap_err();
    assert!(
        told.to_string().contains("no column \"c\"") && told.to_string().contains("a, b"),
        "{told}"
    );
    assert!(rows("a,a\n", &query(&["a"], 9), Empty::Skip, false).is_err());
}

/// To a reader of CSV one stray quote is a cell that holds all lines to the next.
#[test]
fn open_quotes_are_named_by_line_and_swallow_no_row() {
    // spec: [stats.query.lines]
    for (text, line) in [
        ("a,b\n1,2\n10,\"stray\n3,4\n5,6\n", 3),
        ("a,b\n1,2\n3,4\n5,\"6", 4),
        ("a,b\n1,\"2\n3\"\n4,5\n", 2),
        ("a,\"b\n1,2\n", 1),
        ("a,b\n\n1,2\n\n3,\"4\n", 5),
    ] {
        let told = rows(text, &query(&["a"], 9), Empty::Skip, false).unwrap_err();
        let wanted = format!("line {line}: found a quoted cell");
        assert!(told.message().contains(&wanted), "{told}");
        assert_eq!(told.kind, crate::exit::Kind::Usage);
    }
    let text = "a,b\n1,2\n10,\"stray\n3,4\n5,6\n";
    let (found, left_out) = rows(text, &query(&["a"], 9), Empty::Refuse, true).unwrap();
    assert_eq!(found.column(0).to_vec(), [1.0, 3.0, 5.0]);
    assert_eq!((left_out.malformed, left_out.empty), (1, 0));
}

/// Whoever asks again and again with other numbers of rows would else see how many a member has.
#[test]
fn no_number_of_rows_makes_a_member_absent() {
    // spec: [stats.query.rows]
    let text = "a,b\n1,\n2,\n3,x\n,4\n5,\n";
    for noised in [false, true] {
        for most in 1..9 {
            let (found, left_out) = rows(text, &query(&["a"], most), Empty::Skip, noised).unwrap();
            let wanted = [1.0, 2.0, 3.0, 5.0];
            let usable = wanted.len().min(most as usize - usize::from(most >= 4));
            assert_eq!(found.column(0).to_vec(), wanted[..usable], "{most}");
            let beyond = 5_usize.saturating_sub(most as usize);
            assert_eq!(left_out.beyond, beyond, "{most}");
        }
    }
    let (none, _) = rows("a\n", &query(&["a"], 1), Empty::Refuse, false).unwrap();
    assert_eq!(none.dim(), (0, 1));
}

/// Else rows that are in no answer would decide whether there is one.
#[test]
fn without_noise_rows_that_count_have_numbers_and_what_stands_beyond_them_decides_nothing() {
    // spec: [stats.query.missing]
    for text in ["a\n1\n2\n3\n\"\"\n", "a\n1\n2\n3\nx\n"] {
        for most in 1..6 {
            let read = rows(text, &query(&["a"], most), Empty::Refuse, false);
            assert_eq!(read.is_ok(), most < 4, "{most}");
        }
    }
    // that is the form of the file
    for most in 1..6 {
        let read = rows("a\n1\n2\n4,5\n", &query(&["a"], most), Empty::Refuse, false);
        assert!(read.is_err());
    }
}

#[test]
fn rows_are_counted_as_lines_after_the_head_whatever_they_hold() {
    // spec: [stats.query.bound]
    for (text, wanted) in [
        ("", 0),
        ("a\n", 0),
        ("\n\na\n1\n2", 2),
        ("a,b\n1\n\"x\ny\n\n3,4\n", 5),
        ("a\r\n1\r\n2\r\n", 2),
        ("a\r1\r2\r", 2),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.csv");
        std::fs::write(&path, text).unwrap();
        assert_eq!(count_rows(&path).unwrap(), wanted, "{text:?}");
    }
}

/// Whether a member answers is seen by all: a row that decides it is read out without any noise.
#[test]
fn under_noise_no_row_refuses_the_query() {
    // spec: [stats.query.missing]
    let whole = "a,b\n1,2\nCELL,3\n4,5";
    let cells = ["", "secret", "NaN", "inf", "1,5", "\"", "\"1\n2\"", "1e999"];
    for cell in cells {
        let text = whole.replace("CELL,3", &format!("{cell},3"));
        for empty in [Empty::Refuse, Empty::Skip] {
            let (found, left_out) = rows(&text, &query(&["a"], 2), empty, true).unwrap();
            assert_eq!(found.column(0)[0], 1.0, "{cell:?}");
            let LeftOut {
                empty, malformed, ..
            } = left_out;
            assert!(empty + malformed == 1 || cell == "1,5", "{cell:?}");
        }
    }
    let ragged = "a,b\n1\n2,3,4\n5,6\n";
    let (found, left_out) = rows(ragged, &query(&["b"], 9), Empty::Refuse, true).unwrap();
    assert_eq!(found, ndarray::array![[3.0], [6.0]]);
    assert_eq!(left_out.empty, 1);
    // the head is no row
    assert!(rows("a\n1\n", &query(&["b"], 9), Empty::Refuse, true).is_err());
}

#[test]
fn under_noise_a_row_made_empty_brings_no_other_in() {
    // spec: [stats.query.rows]
    for (text, wanted, beyond) in [
        (" a \n1\n 2 \n3\n4", vec![1.0, 2.0], 2),
        ("a\n1\n\n3\n4\n", vec![1.0], 2),
        ("a\r\n\r\n2\r\n3\r\n", vec![2.0], 1),
        ("a\n\"\"\n2\n3\n", vec![2.0], 1),
        ("a,b\n1,x\n\"2\n3,z\n4,\"z\n", vec![1.0], 2),
        ("a,b\n1,\"x\ny\"\n2,z\n3,z\n", vec![], 2),
        ("a,b\n,x\n,\n3,z\n", vec![], 1),
    ] {
        let (found, left_out) = rows(text, &query(&["a"], 2), Empty::Refuse, true).unwrap();
        assert_eq!(found.column(0).to_vec(), wanted, "{text:?}");
        assert_eq!(left_out.beyond, beyond, "{text:?}");
    }
}
