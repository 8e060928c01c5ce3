//! Checkpoints and exports: what happened to a trail shows to whoever kept one, or holds the public key.

use std::time::Duration;

use super::*;

/// What `sealdb audit export` writes.
pub(super) struct Export {
    pub(super) lines: Vec<String>,
    pub(super) checkpoint: SignedCheckpoint,
    pub(super) verifier: Verifier,
}

impl Export {
    fn verify(&self, lines: &[String], kept: &[&SignedCheckpoint]) -> Verified {
        let kept = kept.iter().map(|&checkpoint| checkpoint.clone()).collect();
        let mut verification = Verification::new(self.verifier.clone(), kept);
        for line in lines {
            verification.line(line);
        }
        verification.end()
    }

    /// The findings in a changed export, with the checkpoint that was written beside it.
    #[track_caller]
    fn findings(&self, lines: &[String]) -> Vec<Finding> {
        self.verify(lines, &[&self.checkpoint]).findings
    }
}

impl Place {
    pub(super) fn export(&self) -> Export {
        let mut reader = AuditTrail::open_read_only(&self.path(), &self.access).unwrap();
        let beginning = reader.beginning();
        let beginning = beginning.map(|beginning| serde_json::to_string(&beginning).unwrap());
        let events = reader.by_ref().map(|record| record.unwrap().line);
        let lines = beginning.into_iter().chain(events).collect();
        Export {
            lines,
            checkpoint: reader.checkpoint(rfc3339(self.access.clock.wall_ms())),
            verifier: reader.verifier(),
        }
    }

    fn pass(&self, by: Duration) {
        self.clock.advance(by);
    }
}

/// A trail of 40 events with checkpoints in it, closed in good order.
fn filled() -> (Place, Export) {
    let place = Place::new();
    let trail = place.create();
    for n in 0..36 {
        if n % 9 == 8 {
            place.pass(Duration::from_secs(600));
        }
        trail.append(&place.event(&format!("E{n}"))).unwrap();
    }
    trail.close();
    let export = place.export();
    (place, export)
}

/// The lines with an event's fields changed, and all that follow written anew, as somebody without the signing key would.
fn forged(export: &Export, at: usize, change: impl Fn(&str) -> String) -> Vec<String> {
    let mut chain = chain::Chain::default();
    let event = |line: &String| {
        let (_, event) = line.split_once(",\"eventVersion\"").unwrap();
        format!("{{\"eventVersion\"{event}")
    };
    export
        .lines
        .iter()
        .enumerate()
        .map(|(n, line)| match n == at {
            true => chain.line(&change(&event(line))),
            false => chain.line(&event(line)),
        })
        .collect()
}

#[test]
fn checkpoints_come_with_time_and_at_the_end_and_verify() {
    let (place, export) = filled();
    let records = place.read().unwrap();
    let checkpoints: Vec<_> = records.iter().filter_map(AuditRecord::checkpoint).collect();
    assert_eq!(checkpoints.len(), 5, "four for time and the last one");
    for (checkpoint, before) in checkpoints.iter().skip(1).zip(&checkpoints) {
        let before = &before.checkpoint;
        assert_eq!(checkpoint.checkpoint.previous, (before.size, before.root));
    }
    let verified = export.verify(&export.lines, &[&export.checkpoint]);
    assert_eq!(verified.findings, []);
    assert_eq!((verified.events, verified.confirmed), (42, 42));
    assert_eq!(verified.checkpoints, 6);
    // Each of them, kept at its time, confirms what there is now.
    for kept in &checkpoints {
        assert_eq!(export.verify(&export.lines, &[kept]).findings, []);
    }
    // Nobody appends a second checkpoint to nothing.
    place.open().unwrap().close();
    place.open().unwrap().close();
    assert_eq!(place.read().unwrap().len(), 42 + 4);
}

#[test]
fn a_checkpoint_comes_after_so_many_events() {
    let place = Place::new();
    let trail = place.create();
    let event = place.event("E");
    for _ in 0..3000 {
        trail.note(&event);
    }
    trail.flush().unwrap();
    for _ in 0..1100 {
        trail.note(&event);
    }
    trail.flush().unwrap();
    let records = place.read().unwrap();
    let sizes: Vec<u64> = records
        .iter()
        .filter_map(AuditRecord::checkpoint)
        .map(|signed| signed.checkpoint.size)
        .collect();
    assert!(sizes.len() >= 3, "{sizes:?}");
    assert_eq!(records.len(), 1 + 3000 + 1100 + sizes.len());
    let export = place.export();
    assert_eq!(export.findings(&export.lines), []);
}

#[test]
fn each_removed_changed_or_moved_line_is_named() {
    let (_, export) = filled();
    for at in 0..export.lines.len() {
        let sequence = at as u64 + 1;
        let mut removed = export.lines.clone();
        removed.remove(at);
        let named = match at + 1 == export.lines.len() {
            false => Finding::Missing {
                from: sequence,
                to: sequence,
            },
            true => Finding::CutOff {
                at: 41,
                of: 42,
                time: export.checkpoint.checkpoint.time.clone(),
            },
        };
        assert_eq!(export.findings(&removed)[0], named);

        let mut changed = export.lines.clone();
        changed[at] = changed[at].replace("\"requestID\":\"", "\"requestID\":\"x");
        let findings = export.findings(&changed);
        let named = match findings[0] {
            Finding::Changed { sequence: named } => named == sequence,
            // The last one has none behind it: the signed root tells.
            Finding::OtherThanSigned { from, to, .. } => at == 41 && from <= sequence && to == 42,
            _ => false,
        };
        assert!(named, "{at}: {findings:?}");

        let mut doubled = export.lines.clone();
        doubled.insert(at, doubled[at].clone());
        assert_eq!(
            export.findings(&doubled)[0],
            Finding::OutOfPlace { sequence }
        );
        if at > 0 {
            let mut moved = export.lines.clone();
            moved.swap(at - 1, at);
            let findings = export.findings(&moved);
            let (from, to) = (sequence - 1, sequence - 1);
            assert_eq!(findings[0], Finding::Missing { from, to });
            assert_eq!(findings[1], Finding::OutOfPlace { sequence: from });
        }
    }
    let mut other = export.lines.clone();
    other[7] = "{}".to_owned();
    assert_eq!(export.findings(&other)[0], Finding::NoEvent { line: 8 });
}

#[test]
fn an_export_that_was_written_anew_is_found_by_its_signatures() {
    let (_, export) = filled();
    for at in 0..export.lines.len() {
        let forged = forged(&export, at, |event| {
            event.replace("\"requestID\":\"", "\"requestID\":\"x")
        });
        // Without signatures nothing would show.
        let mut follows = chain::Chain::default();
        assert!(forged.iter().all(|line| follows.take(line).is_some()));
        let findings = export.findings(&forged);
        let named = match &findings[0] {
            Finding::OtherThanSigned { from, to, .. } => {
                (*from..=*to).contains(&(at as u64 + 1)) && to - from < 12
            }
            _ => false,
        };
        assert!(named, "{at}: {findings:?}");
    }
    // Nor does another key help.
    let other = Place::new();
    drop(other.create());
    let other = other.export();
    let findings = export.verify(&export.lines, &[&other.checkpoint]).findings;
    assert!(matches!(findings[..], [Finding::NotOfTrail { .. }]));
    let foreign = Export {
        verifier: other.verifier,
        ..export
    };
    let findings = foreign.verify(&foreign.lines, &[]).findings;
    assert!(matches!(findings[0], Finding::BadCheckpoint { .. }));
}

#[test]
fn a_cut_end_shows_against_any_checkpoint_beyond_it() {
    let (place, export) = filled();
    let checkpoints: Vec<_> = place
        .read()
        .unwrap()
        .iter()
        .filter_map(AuditRecord::checkpoint)
        .collect();
    for at in 0..export.lines.len() {
        let cut = &export.lines[..at];
        for kept in &checkpoints {
            let of = kept.checkpoint.size;
            let findings = export.verify(cut, &[kept]).findings;
            match of > at as u64 {
                true => assert!(
                    matches!(findings[..], [Finding::CutOff { of: named, .. }] if named == of),
                    "{at}: {findings:?}"
                ),
                false => assert_eq!(findings, []),
            }
        }
    }
}

#[test]
fn an_export_whose_front_is_gone_says_so() {
    let (_, export) = filled();
    let mut chain = chain::Chain::default();
    for line in &export.lines[..10] {
        chain.accept(&AuditRecord::parse(line).unwrap());
    }
    // Whoever has the lines can make the first one of the rest.
    let beginning = serde_json::to_string(&Beginning::of(&chain)).unwrap();
    let rest: Vec<_> = [beginning]
        .into_iter()
        .chain(export.lines[10..].iter().cloned())
        .collect();
    let verified = export.verify(&rest, &[&export.checkpoint]);
    let events = export.lines.len() as u64;
    assert_eq!((verified.before, verified.events), (10, events));
    assert_eq!(verified.findings, []);
    let whole = export.verify(&export.lines, &[&export.checkpoint]);
    assert_eq!((whole.before, whole.unused), (0, 0));
    // A checkpoint over less than what comes before says nothing.
    let first = export
        .lines
        .iter()
        .find_map(|line| AuditRecord::parse(line)?.checkpoint())
        .unwrap();
    let size = usize::try_from(first.checkpoint.size).unwrap();
    assert!(size <= 10);
    assert_eq!(export.verify(&rest, &[&first]).unused, 1);
}

#[test]
fn the_file_itself_is_verified_against_kept_checkpoints_too() {
    let (place, export) = filled();
    // The end of the file is cut off: the trail opens, and does not notice by itself.
    let bounds = place.bounds();
    let mut bytes = fs::read(place.path()).unwrap();
    let cut = bounds[bounds.len() - 4];
    bytes[cut..].fill(0);
    fs::write(place.path(), &bytes).unwrap();
    place.open().unwrap().close();
    let now = place.export();
    assert_eq!(now.findings(&now.lines), []);
    let findings = now.verify(&now.lines, &[&export.checkpoint]).findings;
    assert!(!findings.is_empty(), "the old checkpoint tells");
}

#[test]
fn a_crash_at_any_byte_of_a_checkpoint_leaves_all_before_it() {
    let place = Place::new();
    let trail = place.create();
    trail.append(&place.event("A")).unwrap();
    trail.append(&place.event("B")).unwrap();
    place.pass(Duration::from_secs(601));
    // This record holds a checkpoint and an event.
    trail.append(&place.event("C")).unwrap();
    drop(trail);
    let bounds = place.bounds();
    let (start, end) = (bounds[3], bounds[4]);
    let bytes = fs::read(place.path()).unwrap();
    assert_eq!(
        place.names(),
        ["GenerateDataKey", "A", "B", "Checkpoint", "C"]
    );
    for kept in (0..end - start).step_by(13) {
        let mut torn = bytes.clone();
        torn[start + kept..end].fill(0);
        if torn == bytes {
            continue;
        }
        fs::write(place.path(), &torn).unwrap();
        assert_eq!(place.names(), ["GenerateDataKey", "A", "B"], "kept {kept}");
        if kept % 26 == 0 {
            place.open().unwrap().close();
            let export = place.export();
            assert_eq!(export.findings(&export.lines), [], "kept {kept}");
        }
    }
}

#[test]
fn what_was_noted_is_written_together_and_counted_if_it_is_too_much() {
    let place = Place::new();
    let trail = place.create();
    for n in 0..500 {
        trail.note(&place.event(&format!("N{n}")));
    }
    assert_eq!(place.names().len(), 1, "not yet");
    trail.append(&place.event("Decrypt")).unwrap();
    trail.flush().unwrap();
    let names = place.names();
    assert_eq!(names.len(), 502);
    assert_eq!((&*names[1], &*names[501]), ("Decrypt", "N499"));
    assert!(place.bounds().len() < 15, "few records, so few syncs");

    let mut large = place.event("Large");
    large.error_message = Some("x".repeat(20_000));
    for _ in 0..600 {
        trail.note(&large);
    }
    trail.flush().unwrap();
    let records = place.read().unwrap();
    let told: u64 = records
        .iter()
        .filter(|record| record.event.event_name == "EventsLeftOut")
        .map(|record| {
            record.event.additional_event_data["count"]
                .as_u64()
                .unwrap()
        })
        .sum();
    let kept = records.iter().filter(|r| r.event.event_name == "Large");
    assert_eq!(told + kept.count() as u64, 600);
    assert!(told > 100, "{told}");
    let export = place.export();
    assert_eq!(export.findings(&export.lines), []);
}

#[test]
fn what_cannot_be_written_waits_and_key_events_do_not() {
    let place = Place::new();
    let trail = place.create();
    let len = fs::metadata(place.path()).unwrap().len();
    trail.faults(|faults| faults.full_at = Some(len));
    for n in 0..1000 {
        trail.note(&place.event(&format!("N{n}")));
    }
    assert!(matches!(trail.flush(), Err(AuditError::Full { .. })));
    assert!(trail.ahead() >= MIB, "the reserve is not for them");
    trail.append(&place.event("Decrypt")).unwrap();
    // That the KMS is away is told again and again: not with all of the reserve.
    let away = KmsError::Unavailable {
        provider: "test".into(),
        reason: "away".into(),
        source: None,
    };
    let full = loop {
        if let Err(full) = trail.append(&place.event("Decrypt").failed(&away)) {
            break full;
        }
    };
    assert!(matches!(full, AuditError::Full { .. }), "{full}");
    assert!(trail.ahead() >= MIB / 2 - 8192, "{}", trail.ahead());
    trail.append(&place.event("Decrypt")).unwrap();
    trail.faults(|faults| faults.full_at = None);
    trail.flush().unwrap();
    let names = place.names();
    let noted = names.iter().filter(|name| name.starts_with('N'));
    assert_eq!(noted.count(), 1000);
}
