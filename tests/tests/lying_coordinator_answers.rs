//! R10: after the certificate every answer is a function of the certified set; after the end there is none.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests: a failure here is a failed test"
)]

use std::collections::BTreeMap;
use std::time::Duration;
use veilsum_proto::certificate::CertificateError;
use veilsum_proto::coordinator::PhaseName;
use veilsum_proto::ids::{Round, Sid2, Slot};
use veilsum_proto::member::Reply;
use veilsum_proto::message::{
    AbortNotice, Receipt, ShareAnswer, ShareRequest, ShareWanted, SignedSlot, SurvivorSet,
    UploadHeader, UploadStored,
};
use veilsum_proto::refusal::Refusal;
use veilsum_tests::{Play, Setup};

/// Seven members; 5 dropped before Upload, 6 never advertised; the certificate over 0..5 was shown to all of them.
struct Certified {
    play: Play,
    set: SurvivorSet,
    signatures: Vec<SignedSlot>,
    headers: Vec<UploadHeader>,
}

/// What the coordinator knows from then on, with the help of member 4, which is corrupt: whatever it asks for, nothing else.
const ONE_SUM: &[&[u32]] = &[&[0, 1, 2, 3]];

fn certified() -> Certified {
    let mut play = Play::new(&Setup::new(7, 1, 2), &[4]);
    play.silent.insert(Slot(6));
    play.run_to(PhaseName::Upload);
    play.silent.insert(Slot(5));
    play.run_to(PhaseName::Confirm);
    let set = play.survivor_set(&play.all_but(&[6]), &play.set(0..5));
    let signatures = (0..5)
        .map(|slot| play.ask(slot, &set).unwrap())
        .collect::<Vec<_>>();
    for slot in 0..4 {
        play.certify(slot, &set, signatures.clone()).unwrap();
    }
    let headers = (0..5)
        .map(|slot| play.players[&Slot(slot)].header.clone().unwrap())
        .collect();
    Certified {
        play,
        set,
        signatures,
        headers,
    }
}

fn request(sid2: Sid2, wanted: Vec<ShareWanted>) -> ShareRequest {
    ShareRequest { sid2, wanted }
}

fn refused(kind: &'static str, slot: u32, reason: &'static str) -> Refusal {
    Refusal::ShareRequest {
        kind,
        slot: Slot(slot),
        reason,
    }
}

// spec: [reveal.direct] [reveal.wipe-opposite]
#[test]
fn a_reveal_holds_the_own_self_seed_and_the_pair_seeds_of_dropped_peers_only() {
    let Certified {
        mut play,
        set,
        signatures,
        ..
    } = certified();
    let reveal = play.certify(0, &set, signatures).unwrap();
    assert_eq!(
        reveal
            .pair_seeds
            .iter()
            .map(|seed| seed.slot)
            .collect::<Vec<_>>(),
        [Slot(5)]
    );
    assert_eq!(reveal.chain_value, None);
    play.assert_known(ONE_SUM);
}

// spec: [reveal.shares] [reveal.certificate]
#[test]
fn repeated_and_partial_requests_get_the_same_answers() {
    let Certified {
        mut play,
        set,
        signatures,
        headers,
    } = certified();
    let first = play.certify(0, &set, signatures.clone()).unwrap();
    assert_eq!(play.certify(0, &set, signatures).unwrap(), first);
    let all = [
        ShareWanted::SelfSeed(headers[1].clone()),
        ShareWanted::SelfSeed(headers[2].clone()),
        ShareWanted::RootSeed(Slot(5)),
    ];
    let whole = play.request(0, &request(set.sid2, all.to_vec())).unwrap();
    assert_eq!(
        play.request(0, &request(set.sid2, all.to_vec())).unwrap(),
        whole
    );
    for (wanted, answer) in all.iter().zip(&whole.answers) {
        let one = play
            .request(0, &request(set.sid2, vec![wanted.clone()]))
            .unwrap();
        assert_eq!(one.answers, std::slice::from_ref(answer));
    }
    assert!(matches!(
        whole.answers[..],
        [
            ShareAnswer::SelfSeed(Slot(1), _),
            ShareAnswer::SelfSeed(Slot(2), _),
            ShareAnswer::RootSeed(Slot(5), _)
        ]
    ));
    assert_eq!(
        play.request(0, &request(set.sid2, Vec::new()))
            .unwrap()
            .answers,
        []
    );
    play.assert_known(ONE_SUM);
}

// spec: [reveal.shares] [reveal.self-of-survivor] [reveal.root-of-dropped]
#[test]
fn shares_asked_for_in_every_order_are_one_of_each_member() {
    let Certified {
        mut play,
        set,
        headers,
        ..
    } = certified();
    let right = [
        ShareWanted::SelfSeed(headers[1].clone()),
        ShareWanted::SelfSeed(headers[2].clone()),
        ShareWanted::SelfSeed(headers[3].clone()),
        ShareWanted::RootSeed(Slot(5)),
    ];
    let opposite = [1, 2, 3, 6].map(|slot| ShareWanted::RootSeed(Slot(slot)));
    let all = right.iter().chain(&opposite).cloned().collect::<Vec<_>>();
    let (mut answers, mut orders) = (BTreeMap::new(), 0);
    // Every sequence of three of the eight, one by one, then all three at once.
    for (first, second, third) in triples(all.len()) {
        let order = [first, second, third].map(|index| all[index].clone());
        for (index, wanted) in [first, second, third].into_iter().zip(&order) {
            let outcome = play.request(0, &request(set.sid2, vec![wanted.clone()]));
            assert_eq!(outcome.is_ok(), index < 4, "{wanted:?} in {order:?}");
            if let Ok(shares) = outcome {
                let had = answers.entry(index).or_insert_with(|| shares.clone());
                assert_eq!(*had, shares);
            }
        }
        let at_once = play.request(0, &request(set.sid2, order.to_vec()));
        let is_right = [first, second, third].iter().all(|index| *index < 4);
        assert_eq!(at_once.is_ok(), is_right, "{order:?}");
        orders += 1;
    }
    assert_eq!((orders, answers.len()), (8 * 7 * 6, 4));
    play.assert_known(ONE_SUM);
}

fn triples(count: usize) -> impl Iterator<Item = (usize, usize, usize)> {
    let all = (0..count)
        .flat_map(move |a| (0..count).flat_map(move |b| (0..count).map(move |c| (a, b, c))));
    all.filter(|(a, b, c)| a != b && b != c && a != c)
}

// spec: [reveal.root-of-dropped]
#[test]
fn the_root_seed_of_a_survivor_or_of_a_stranger_is_not_given() {
    let Certified { mut play, set, .. } = certified();
    for survivor in 0..5 {
        assert_eq!(
            play.request(
                0,
                &request(set.sid2, vec![ShareWanted::RootSeed(Slot(survivor))])
            ),
            Err(refused("root", survivor, "it is a certified survivor"))
        );
    }
    for stranger in [6, 7, 4000] {
        assert_eq!(
            play.request(
                0,
                &request(set.sid2, vec![ShareWanted::RootSeed(Slot(stranger))])
            ),
            Err(refused("root", stranger, "it is not in the Share set"))
        );
    }
    play.assert_known(ONE_SUM);
}

// spec: [reveal.self-of-survivor]
#[test]
fn the_self_seed_of_a_dropped_member_is_not_given_even_with_its_own_header() {
    let Certified {
        mut play,
        set,
        headers,
        ..
    } = certified();
    // Its update arrives late, with a header signed by itself under this very second session (R17).
    let due = play.share_set(&play.all_but(&[6]));
    let late = play.show_and_upload(5, due).unwrap();
    assert_eq!(late.sid2, set.sid2);
    assert_eq!(
        play.request(
            0,
            &request(set.sid2, vec![ShareWanted::SelfSeed(late.clone())])
        ),
        Err(refused("self", 5, "it is not a certified survivor"))
    );
    // One bad entry refuses the whole request: nothing of it is answered.
    let mixed = vec![
        ShareWanted::SelfSeed(headers[1].clone()),
        ShareWanted::SelfSeed(late),
    ];
    assert_eq!(
        play.request(0, &request(set.sid2, mixed)),
        Err(refused("self", 5, "it is not a certified survivor"))
    );
    for slot in 0..4 {
        play.request(
            slot,
            &request(set.sid2, vec![ShareWanted::RootSeed(Slot(5))]),
        )
        .unwrap();
    }
    // Its vector is there and its root seed rebuilt, by these four and the corrupt holder: the self seed hides its input.
    play.assert_known(ONE_SUM);
}

// spec: [reveal.shares] [reveal.self-of-survivor]
#[test]
fn a_member_has_no_share_of_itself_to_give() {
    let Certified {
        mut play,
        set,
        headers,
        ..
    } = certified();
    assert_eq!(
        play.request(
            0,
            &request(set.sid2, vec![ShareWanted::SelfSeed(headers[0].clone())])
        ),
        Err(refused("self", 0, "this member holds no share of it"))
    );
    play.assert_known(ONE_SUM);
}

// spec: [reveal.shares]
#[test]
fn requests_of_another_second_session_or_before_the_certificate_are_refused() {
    let Certified { mut play, set, .. } = certified();
    let mut other = set.sid2;
    other.0[0] ^= 1;
    let root = vec![ShareWanted::RootSeed(Slot(5))];
    assert_eq!(
        play.request(0, &request(other, root.clone())),
        Err(Refusal::OtherSession {
            got: "ShareRequest",
            what: "session"
        })
    );
    assert_eq!(
        play.request(4, &request(set.sid2, root)),
        Err(Refusal::WrongPhase {
            got: "ShareRequest",
            phase: "uploaded"
        })
    );
    play.assert_known(ONE_SUM);
}

// spec: [confirm.after-upload] [confirm.check]
#[test]
fn nothing_is_signed_or_revealed_before_the_own_update_is_whole() {
    let mut play = Play::new(&Setup::new(5, 1, 1), &[]);
    play.run_to(PhaseName::Upload);
    let all = play.all_but(&[]);
    let set = play.survivor_set(&all, &all);
    let certificate = veilsum_proto::message::Certificate {
        set: set.clone(),
        signatures: Vec::new(),
    };
    let wrong = |got, phase| Err(Refusal::WrongPhase { got, phase });
    for phase in ["accepted", "ready", "uploading"] {
        assert_eq!(
            play.players[&Slot(0)].machine.as_ref().unwrap().phase(),
            phase
        );
        assert_eq!(play.tell(0, set.clone()), wrong("SurvivorSet", phase));
        assert_eq!(
            play.tell(0, certificate.clone()),
            wrong("Certificate", phase)
        );
        match phase {
            "accepted" => drop(play.tell(0, play.share_set(&all)).unwrap()),
            "ready" => drop(play.upload(0).unwrap()),
            _ => {}
        }
    }
    // The acknowledgement of another session does not count.
    let mut sid2 = set.sid2;
    sid2.0[0] ^= 1;
    assert_eq!(
        play.tell(
            0,
            UploadStored {
                sid2,
                slot: Slot(0)
            }
        ),
        Err(Refusal::OtherSession {
            got: "UploadStored",
            what: "session"
        })
    );
    assert_eq!(play.tell(0, set.clone()), wrong("SurvivorSet", "uploading"));
    play.assert_known(&[]);
    play.store(0).unwrap();
    play.ask(0, &set).unwrap();
    play.assert_known(&[]);
}

// spec: [confirm.check] [reveal.certificate]
#[test]
fn sets_and_certificates_of_another_session_are_refused() {
    let Certified {
        mut play,
        set,
        signatures,
        ..
    } = certified();
    for field in ["session", "second session"] {
        let mut other = set.clone();
        match field {
            "session" => other.sid.0[0] ^= 1,
            _ => other.sid2.0[0] ^= 1,
        }
        assert_eq!(
            play.ask(4, &other),
            Err(Refusal::OtherSession {
                got: "SurvivorSet",
                what: "session"
            }),
            "{field}"
        );
        assert_eq!(
            play.certify(4, &other, signatures.clone()),
            Err(CertificateError::OtherSession.into()),
            "{field}"
        );
    }
    play.assert_known(ONE_SUM);
}

type End = Box<dyn Fn(&mut Play)>;

/// Every way an attempt can end for a member that holds secrets.
fn ends(certified: &mut Certified) -> Vec<(&'static str, End)> {
    let context = certified.play.context.clone();
    let notice = AbortNotice {
        task: context.task_digest,
        round: context.round,
        attempt: context.attempt,
        reason: b"missing_shares".to_vec(),
        text: Vec::new(),
    };
    let receipt = Receipt {
        task: context.task_digest,
        round: context.round,
        attempt: context.attempt,
        sid: certified.set.sid,
        sid2: certified.set.sid2,
        survivors: certified.set.survivors.clone(),
        sum: veilsum_proto::ids::Hash([1; 32]),
        signature: veilsum_proto::message::UNSIGNED,
    };
    let receipt = receipt.signed(certified.play.federation.coordinator());
    vec![
        (
            "abort",
            Box::new(move |play| drop(play.tell(0, notice.clone()).unwrap())),
        ),
        (
            "result",
            Box::new(move |play| {
                let reply = play.tell(0, receipt.clone()).unwrap();
                assert!(matches!(
                    reply,
                    Reply::Result {
                        certified: true,
                        ..
                    }
                ));
            }),
        ),
        (
            "deadline",
            Box::new(|play| {
                let deadline = play.players[&Slot(0)]
                    .machine
                    .as_ref()
                    .unwrap()
                    .deadline()
                    .unwrap();
                play.now = deadline + Duration::from_millis(1);
            }),
        ),
    ]
}

// spec: [close.abort] [close.deadline] [receipt.check]
#[test]
fn after_result_abort_or_own_deadline_every_request_is_refused() {
    for way in 0..3 {
        let mut setting = certified();
        let (name, end) = ends(&mut setting).remove(way);
        let Certified {
            mut play,
            set,
            signatures,
            headers,
        } = setting;
        end(&mut play);
        let wanted = vec![ShareWanted::SelfSeed(headers[1].clone())];
        assert_eq!(
            play.request(0, &request(set.sid2, wanted)),
            Err(Refusal::Closed),
            "{name}"
        );
        assert_eq!(
            play.certify(0, &set, signatures),
            Err(Refusal::Closed),
            "{name}"
        );
        assert_eq!(play.tell(0, set), Err(Refusal::Closed), "{name}");
        play.assert_known(ONE_SUM);
    }
}

// spec: [close.deadline]
#[test]
fn a_deadline_of_the_sites_own_closes_a_member_whatever_the_coordinator_allows() {
    let mut play = Play::new(&Setup::new(5, 1, 1), &[]);
    play.players
        .get_mut(&Slot(0))
        .unwrap()
        .floors
        .longest_attempt = Duration::from_secs(5);
    play.reopen(1, 0);
    play.run_to(PhaseName::Confirm);
    let all = play.all_but(&[]);
    let set = play.survivor_set(&all, &all);
    play.now = Duration::from_secs(5);
    play.ask(0, &set).unwrap();
    play.now = Duration::from_millis(5001);
    assert_eq!(play.ask(0, &set), Err(Refusal::Closed));
    play.ask(1, &set).unwrap();
    play.assert_known(&[]);
}

// spec: [close.abort] [receipt.check]
#[test]
fn ends_of_another_attempt_and_receipts_by_others_or_for_others_close_nothing() {
    let mut setting = certified();
    let context = setting.play.context.clone();
    let coordinator = setting.play.federation.coordinator();
    let receipt = Receipt {
        task: context.task_digest,
        round: context.round,
        attempt: context.attempt,
        sid: setting.set.sid,
        sid2: setting.set.sid2,
        survivors: setting.play.set(0..6),
        sum: veilsum_proto::ids::Hash([1; 32]),
        signature: veilsum_proto::message::UNSIGNED,
    };
    let other_survivors = receipt.clone().signed(coordinator);
    let unsigned = Receipt {
        survivors: setting.set.survivors.clone(),
        ..receipt.clone()
    };
    let by_member = unsigned
        .clone()
        .signed(&setting.play.players[&Slot(4)].identity);
    let other_round = Receipt {
        round: Round(2),
        ..unsigned.clone()
    }
    .signed(coordinator);
    let not_signed = Refusal::Receipt("it is not signed by the coordinator of the roster");
    let cases = [
        (
            other_survivors,
            Refusal::Receipt("it names other survivors than the certificate"),
        ),
        (unsigned, not_signed.clone()),
        (by_member, not_signed),
        (
            other_round,
            Refusal::OtherSession {
                got: "Receipt",
                what: "attempt",
            },
        ),
    ];
    for (receipt, refusal) in cases {
        assert_eq!(setting.play.tell(0, receipt), Err(refusal));
    }
    let notice = AbortNotice {
        task: context.task_digest,
        round: Round(9),
        attempt: context.attempt,
        reason: Vec::new(),
        text: Vec::new(),
    };
    assert_eq!(
        setting.play.tell(0, notice),
        Err(Refusal::OtherSession {
            got: "AbortNotice",
            what: "attempt"
        })
    );
    setting
        .play
        .certify(0, &setting.set, setting.signatures)
        .unwrap();
    setting.play.assert_known(ONE_SUM);
}
