//! Proofs for who holds a checkpoint or an event, and not the trail.

use std::slice::from_ref;

use super::*;

impl Place {
    fn reader(&self) -> TrailReader {
        AuditTrail::open_read_only(&self.path(), &self.access).unwrap()
    }

    fn prove(&self, claim: &TrailClaim) -> Result<TrailProof, TrailProofError> {
        self.reader().prove(claim, None, "now".to_owned())
    }

    fn checkpoint(&self) -> SignedCheckpoint {
        let mut reader = self.reader();
        reader.by_ref().for_each(|record| drop(record.unwrap()));
        reader.checkpoint("then".to_owned())
    }
}

/// A trail with a checkpoint kept after each of its first events.
fn kept() -> (Place, Vec<SignedCheckpoint>) {
    let place = Place::new();
    let trail = place.create();
    let mut kept = Vec::new();
    for n in 0..12 {
        kept.push(place.checkpoint());
        trail.append(&place.event(&format!("E{n}"))).unwrap();
    }
    trail.close();
    (place, kept)
}

/// As it is read by who receives it.
fn handed_over(proof: &TrailProof) -> TrailProof {
    TrailProof::from_json(&serde_json::to_string(proof).unwrap()).unwrap()
}

#[test]
fn a_trail_is_shown_to_go_on_from_each_checkpoint() {
    let (place, kept) = kept();
    let verifier = place.reader().verifier();
    let latest = place.checkpoint();
    for (at, earlier) in kept.iter().enumerate() {
        let claim = TrailClaim::Since(earlier.clone());
        let proof = handed_over(&place.prove(&claim).unwrap());
        let proven = proof.verify(&verifier, from_ref(earlier)).unwrap();
        let Proven::Extends { since, checkpoint } = proven else {
            panic!("{proven:?}")
        };
        assert_eq!(since, at as u64 + 1);
        assert_eq!(checkpoint.root, latest.checkpoint.root);
        // Both were kept.
        proof
            .verify(&verifier, &[latest.clone(), earlier.clone()])
            .unwrap();
        for later in &kept[at..] {
            let proof = place
                .reader()
                .prove(&claim, Some(later.clone()), String::new())
                .unwrap();
            proof
                .verify(&verifier, &[earlier.clone(), later.clone()])
                .unwrap();
        }
        // Without the earlier one it shows nothing, nor about any other.
        let error = proof.verify(&verifier, &[]).unwrap_err();
        assert!(matches!(error, TrailProofError::NotHandedIn(_)), "{error}");
        let other = kept[(at + 1) % kept.len()].clone();
        let error = proof.verify(&verifier, &[other]).unwrap_err();
        assert!(matches!(error, TrailProofError::Unrelated(_)), "{error}");
    }
}

#[test]
fn an_event_is_shown_to_be_in_the_trail() {
    let (place, kept) = kept();
    let verifier = place.reader().verifier();
    let records = place.read().unwrap();
    for record in &records {
        let claim = TrailClaim::Event(record.sequence);
        let proof = handed_over(&place.prove(&claim).unwrap());
        let Proven::Holds { record: shown, .. } = proof.verify(&verifier, &[]).unwrap() else {
            panic!("{proof:?}")
        };
        assert_eq!(*shown, *record);
        for under in &kept {
            let proof = place
                .reader()
                .prove(&claim, Some(under.clone()), String::new());
            let size = under.checkpoint.size;
            match record.sequence <= size {
                true => drop(proof.unwrap().verify(&verifier, from_ref(under)).unwrap()),
                false => assert!(matches!(proof, Err(TrailProofError::NoEvent { .. }))),
            }
        }
    }
    for none in [0, records.len() as u64 + 1, u64::MAX] {
        let error = place.prove(&TrailClaim::Event(none)).unwrap_err();
        assert!(matches!(error, TrailProofError::NoEvent { .. }), "{error}");
    }
}

#[test]
fn a_proof_that_was_changed_shows_nothing() {
    let (place, kept) = kept();
    let verifier = place.reader().verifier();
    let earlier = kept[4].clone();
    let claims = [TrailClaim::Since(earlier.clone()), TrailClaim::Event(4)];
    for claim in claims {
        let kept: &[SignedCheckpoint] = match &claim {
            TrailClaim::Since(earlier) => from_ref(earlier),
            TrailClaim::Event(_) => &[],
        };
        let text = serde_json::to_string(&place.prove(&claim).unwrap()).unwrap();
        let verify = |text: &str| TrailProof::from_json(text)?.verify(&verifier, kept);
        let shown = verify(&text).unwrap();
        for at in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[at] ^= 1;
            let changed = String::from_utf8(bytes).unwrap();
            // What does not change its meaning: the case of a digit, a sign of what nobody signed.
            assert!(
                verify(&changed).is_err() || verify(&changed).unwrap() == shown,
                "byte {at}: {changed}"
            );
        }
        let spoiled = |change: &dyn Fn(&mut Vec<String>)| {
            let mut proof = TrailProof::from_json(&text).unwrap();
            let (TrailProof::Consistency { hashes, .. } | TrailProof::Inclusion { hashes, .. }) =
                &mut proof;
            change(hashes);
            matches!(
                proof.verify(&verifier, kept),
                Err(TrailProofError::Refused | TrailProofError::Malformed(_))
            )
        };
        assert!(spoiled(&|hashes| drop(hashes.pop())));
        assert!(spoiled(&|hashes| hashes.push("00".repeat(32))));
        assert!(spoiled(&|hashes| hashes.swap(0, 1)));
        assert!(spoiled(&|hashes| hashes[0].truncate(62)));
        // Another trail's key.
        let other = Place::new();
        other.create().close();
        let error = TrailProof::from_json(&text)
            .unwrap()
            .verify(&other.reader().verifier(), kept)
            .unwrap_err();
        assert!(matches!(error, TrailProofError::NotOfTrail(_)), "{error}");
    }
    assert!(TrailProof::from_json("{}").is_err());
}

#[test]
fn a_trail_that_was_cut_off_or_written_anew_proves_nothing() {
    let place = Place::new();
    let trail = place.create();
    trail.append(&place.event("A")).unwrap();
    drop(trail);
    let before = fs::read(place.path()).unwrap();
    let early = place.checkpoint();
    let trail = place.open().unwrap();
    for name in ["B", "C", "D"] {
        trail.append(&place.event(name)).unwrap();
    }
    trail.close();
    let kept = place.checkpoint();
    let honest = place.prove(&TrailClaim::Since(kept.clone())).unwrap();
    let verifier = place.reader().verifier();
    honest.verify(&verifier, from_ref(&kept)).unwrap();

    // Cut off: by who has the file only.
    fs::write(place.path(), &before).unwrap();
    let error = place.prove(&TrailClaim::Since(kept.clone())).unwrap_err();
    assert!(
        matches!(error, TrailProofError::CutOff { at: 2, .. }),
        "{error}"
    );

    // Gone on with other events: by who has all keys, the one that signs included.
    let trail = place.open().unwrap();
    for n in 0..20 {
        trail.append(&place.event(&format!("other {n}"))).unwrap();
    }
    trail.close();
    let error = place.prove(&TrailClaim::Since(kept.clone())).unwrap_err();
    assert!(matches!(error, TrailProofError::Forked { .. }), "{error}");
    // Nor does a proof that somebody made with a program of their own hold against the checkpoint that was kept.
    let forked = place.checkpoint();
    let mut tree = merkle::Tree::default();
    for record in place.read().unwrap() {
        tree.push(merkle::leaf(record.line.as_bytes()));
    }
    let (since, size) = (kept.checkpoint.size, forked.checkpoint.size);
    let hashes = tree.consistency_proof(since, size).unwrap();
    let forged = TrailProof::Consistency {
        since,
        checkpoint: forked.to_string(),
        hashes: hashes.iter().map(|hash| crate::wire::hex(hash)).collect(),
    };
    let error = forged.verify(&verifier, from_ref(&kept)).unwrap_err();
    assert!(matches!(error, TrailProofError::Refused), "{error}");
    // Two checkpoints over as many events and not the same ones tell of it by themselves.
    let inclusion = place.prove(&TrailClaim::Event(1)).unwrap();
    let TrailProof::Inclusion { checkpoint, .. } = &inclusion else {
        panic!("{inclusion:?}")
    };
    let size = checkpoint.parse::<SignedCheckpoint>().unwrap();
    let size = size.checkpoint.size;
    fs::write(place.path(), &before).unwrap();
    let trail = place.open().unwrap();
    while place.checkpoint().checkpoint.size < size {
        trail.append(&place.event("third")).unwrap();
    }
    let error = inclusion
        .verify(&verifier, &[place.checkpoint()])
        .unwrap_err();
    assert!(matches!(error, TrailProofError::Forked { .. }), "{error}");
    // The fork was begun after this one.
    honest_since(&place, &early);
}

fn honest_since(place: &Place, earlier: &SignedCheckpoint) {
    let proof = place.prove(&TrailClaim::Since(earlier.clone())).unwrap();
    let verifier = place.reader().verifier();
    proof.verify(&verifier, from_ref(earlier)).unwrap();
}

#[test]
fn what_is_left_of_a_trail_proves_what_came_after() {
    let (place, events) = Place::in_files(4);
    let whole = place.checkpoint();
    let first = place.reader().next().unwrap().unwrap();
    let aside = place.aside();
    for path in &aside[..2] {
        fs::remove_file(path).unwrap();
    }
    let mut reader = place.reader();
    let gone = reader.events();
    assert!(gone > 15);
    let at_beginning = reader.checkpoint("then".to_owned());
    reader.next().unwrap().unwrap();
    let after_one = reader.checkpoint("then".to_owned());
    for earlier in [at_beginning, after_one, whole] {
        honest_since(&place, &earlier);
    }
    let verifier = place.reader().verifier();
    for event in gone + 1..=events as u64 {
        let proof = place.prove(&TrailClaim::Event(event)).unwrap();
        proof.verify(&verifier, &[]).unwrap();
    }
    let error = place.prove(&TrailClaim::Event(first.sequence)).unwrap_err();
    assert!(
        matches!(error, TrailProofError::Gone(n) if n == gone),
        "{error}"
    );
}
