//! A trail that goes on in a new file.

use super::*;

impl Place {
    pub(super) fn aside(&self) -> Vec<PathBuf> {
        let mut names: Vec<_> = fs::read_dir(self.dir.path())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| {
                let name = path.file_name().unwrap().to_string_lossy().into_owned();
                name.starts_with("audit-")
            })
            .collect();
        names.sort();
        names
    }

    /// A trail of some files with ten events each, and the number of its events.
    pub(super) fn in_files(count: usize) -> (Self, usize) {
        let place = Self::new();
        let trail = place.create();
        let mut events = 1;
        for file in 0..count {
            for n in 0..10 {
                trail.append(&place.event(&format!("E{file}.{n}"))).unwrap();
                events += 1;
            }
            if file + 1 < count {
                trail.set_full_at(0);
            }
        }
        (place, events)
    }
}

#[test]
fn all_files_are_one_trail() {
    let (place, events) = Place::in_files(4);
    assert_eq!(place.aside().len(), 3);
    let records = place.read().unwrap();
    assert_eq!(records.len(), events);
    for (n, record) in records.iter().enumerate() {
        assert_eq!(record.sequence, n as u64 + 1);
    }
    let first = place.export();
    let trail = place.open().unwrap();
    assert_eq!(trail.iter().unwrap().count(), events + 1);
    trail.append(&place.event("more")).unwrap();
    trail.close();
    let export = place.export();
    let verification = |lines: &[String], kept: Vec<SignedCheckpoint>| {
        let mut verification = Verification::new(export.verifier.clone(), kept);
        for line in lines {
            verification.line(line);
        }
        verification.end()
    };
    let verified = verification(&export.lines, vec![first.checkpoint.clone()]);
    assert_eq!(verified.findings, []);

    // The oldest are moved away: what is left still verifies, against checkpoints from before, too.
    let aside = place.aside();
    for path in &aside[..2] {
        fs::remove_file(path).unwrap();
    }
    let rest = place.export();
    assert!(rest.lines.len() < export.lines.len() - 15);
    assert!(rest.lines[0].contains("eventsBefore"));
    assert_eq!(
        rest.lines[1..],
        export.lines[export.lines.len() + 1 - rest.lines.len()..]
    );
    let kept = vec![first.checkpoint.clone(), rest.checkpoint.clone()];
    let verified = verification(&rest.lines, kept);
    assert_eq!(verified.findings, []);
    assert_eq!(verified.confirmed, rest.checkpoint.checkpoint.size);
    // A beginning that was made up does not lead to the signed roots.
    let mut forged = rest.lines.clone();
    let at = forged[0].find("trees\":[\"").unwrap() + 9;
    let other = if forged[0].as_bytes()[at] == b'0' {
        "1"
    } else {
        "0"
    };
    forged[0].replace_range(at..=at, other);
    assert_ne!(verification(&forged, vec![rest.checkpoint]).findings, []);
}

#[test]
fn a_file_that_is_missing_between_two_others_or_cut_at_its_end_is_found() {
    let (place, _) = Place::in_files(4);
    let aside = place.aside();
    let second = fs::read(&aside[1]).unwrap();
    fs::remove_file(&aside[1]).unwrap();
    // Those after the gap are read, and begin where they begin.
    let records = place.read().unwrap();
    assert!(records[0].sequence > 20, "{}", records[0].sequence);

    let mut cut = second.clone();
    let start = cut.iter().rposition(|byte| *byte != 0).unwrap();
    cut[start - 200..].fill(0);
    fs::write(&aside[1], &cut).unwrap();
    assert!(matches!(place.read(), Err(AuditError::Corrupt { .. })));
    fs::write(&aside[1], &second).unwrap();
    // Swapped for one another.
    fs::copy(&aside[0], &aside[2]).unwrap();
    assert!(place.read().is_err());
}

#[test]
fn a_reader_goes_on_in_the_new_file() {
    let place = Place::new();
    let trail = place.create();
    let mut reader = AuditTrail::open_read_only(&place.path(), &place.access).unwrap();
    for round in 1..6 {
        for _ in 0..round {
            trail.append(&place.event("E")).unwrap();
        }
        if round % 2 == 0 {
            assert!(reader.by_ref().all(|record| record.is_ok()));
            assert!(reader.next().is_none());
        }
        trail.set_full_at(0);
    }
    let rest: Vec<_> = reader.map(Result::unwrap).collect();
    assert_eq!(rest.last().unwrap().sequence, 1 + 15);
    assert_eq!(place.aside().len(), 4);
}

#[test]
fn a_crash_between_the_two_names_of_a_file_changes_nothing() {
    let (place, events) = Place::in_files(2);
    // The newest file has got its second name, and the next one never came.
    let first = place.aside()[0].clone();
    let name = first.file_name().unwrap().to_string_lossy().into_owned();
    let second = first.with_file_name(name.replace("000001", "000002"));
    fs::hard_link(place.path(), &second).unwrap();
    assert_eq!(place.read().unwrap().len(), events);
    let trail = place.open().unwrap();
    trail.append(&place.event("E")).unwrap();
    assert_eq!(place.read().unwrap().len(), events + 2);
    trail.set_full_at(0);
    trail.append(&place.event("in the third file")).unwrap();
    assert_eq!(place.read().unwrap().len(), events + 3);
    assert_eq!(place.aside().len(), 2);
    let names = place.names();
    assert_eq!(names.last().unwrap(), "in the third file");
}

#[test]
fn what_another_trail_left_does_not_stand_in_the_way() {
    let (place, _) = Place::in_files(3);
    fs::remove_file(place.path()).unwrap();
    let trail = place.create();
    trail.set_full_at(0);
    trail.append(&place.event("E")).unwrap();
    assert_eq!(place.names(), ["GenerateDataKey", "E"]);
    assert_eq!(place.aside().len(), 3);
}
