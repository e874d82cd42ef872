//! Known answers, forms that are no proof, and properties of signing and checking.

use proptest::prelude::*;

use super::*;

const SECRET_A: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const SECRET_B: &str = "whsec_ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8=";
const ID: &str = "0192f0c1-7a3b-7c11-9d55-0a1b2c3d4e5f";
const AT_S: u64 = 1_776_340_800;
const BODY: &str = concat!(
    r#"{"eventId":"0192f0c1-7a3b-7c11-9d55-0a1b2c3d4e5f","eventType":"payment.received","#,
    r#""timestamp":"2026-04-16T12:00:00.000Z","source":"colectiva","organizationId":"org_demo","#,
    r#""data":{"amountCents":12500,"currency":"MXN","invoiceId":"inv_1"}}"#,
);
const TOLERANCE: Duration = Duration::from_mins(5);

fn secret(text: &str) -> Secret {
    Secret::new(text).unwrap()
}

fn at(seconds: u64) -> Millis {
    Millis(seconds * 1000)
}

fn check(headers: ProofHeaders<'_>, secrets: &[Secret], now_s: u64) -> Verdict {
    verify(headers, BODY.as_bytes(), secrets, at(now_s), TOLERANCE)
}

fn ecosystem(signature: &str) -> ProofHeaders<'_> {
    ProofHeaders { signature: Some(signature), timestamp: Some("1776340800"), ..Default::default() }
}

fn standard(signature: &str) -> ProofHeaders<'_> {
    ProofHeaders {
        webhook_id: Some(ID),
        webhook_timestamp: Some("1776340800"),
        webhook_signature: Some(signature),
        ..Default::default()
    }
}

#[test]
fn standard_webhooks_known_answers() {
    assert_eq!(BODY.len(), 235);
    for (key, id, at_s, body, expected) in [
        (
            "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
            "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk",
            1_649_367_553,
            r#"{"email":"test@example.com","username":"test_user"}"#,
            "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=",
        ),
        (
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            r#"{"test": 2432232314}"#,
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        ),
        (SECRET_A, ID, AT_S, BODY, "v1,qv8gR3ArmRaZq9gM1jTpoikt/USONNBZATiEalfz9+E="),
        (SECRET_B, ID, AT_S, BODY, "v1,h4veg1jlyvnQ3Tp+g2jm9zXNalVwBxQvdclKNffMTZI="),
    ] {
        assert_eq!(sign_standard(&[&secret(key)], id, at_s, body.as_bytes()), expected);
        let theirs = standardwebhooks::Webhook::new(key).unwrap();
        assert_eq!(theirs.sign(id, i64::try_from(at_s).unwrap(), body.as_bytes()).unwrap(), expected);
    }
}

#[test]
fn a_rotation_signs_with_both_newest_first() {
    assert_eq!(
        sign_standard(&[&secret(SECRET_A), &secret(SECRET_B)], ID, AT_S, BODY.as_bytes()),
        "v1,qv8gR3ArmRaZq9gM1jTpoikt/USONNBZATiEalfz9+E= v1,h4veg1jlyvnQ3Tp+g2jm9zXNalVwBxQvdclKNffMTZI=",
    );
}

#[test]
fn the_ecosystem_known_answer() {
    // RFC 4231, test case 2.
    assert_eq!(
        sign_ecosystem(&secret("Jefe"), b"what do ya want for nothing?"),
        "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
    );
}

#[test]
fn a_plain_secret_is_its_own_bytes_in_both_schemes() {
    let plain = secret("a plain secret of the ecosystem");
    let theirs = standardwebhooks::Webhook::from_bytes(plain.text_key().to_vec()).unwrap();
    let at_s = i64::try_from(AT_S).unwrap();
    assert_eq!(
        sign_standard(&[&plain], ID, AT_S, BODY.as_bytes()),
        theirs.sign(ID, at_s, BODY.as_bytes()).unwrap(),
    );
}

#[test]
fn either_scheme_proves_the_origin_and_names_the_secret() {
    let secrets = [secret(SECRET_A), secret(SECRET_B)];
    for (index, used) in secrets.iter().enumerate() {
        let hex = sign_ecosystem(used, BODY.as_bytes());
        let upper = format!("sha256={}", hex["sha256=".len()..].to_uppercase());
        for signature in [&hex, &upper] {
            assert_eq!(
                check(ecosystem(signature), &secrets, AT_S),
                Verdict::Valid { scheme: Scheme::Ecosystem, secret_index: index },
            );
        }
        let items = sign_standard(&[used], ID, AT_S, BODY.as_bytes());
        assert_eq!(
            check(standard(&items), &secrets, AT_S),
            Verdict::Valid { scheme: Scheme::Standard, secret_index: index },
        );
    }
}

#[test]
fn one_good_item_among_foreign_ones_is_enough() {
    let good = sign_standard(&[&secret(SECRET_A)], ID, AT_S, BODY.as_bytes());
    for signature in [
        format!("v1a,AAAA {good}"),
        format!("v1,AAAA  {good}"),
        format!("{good} v2,xyz"),
        format!("v1,not-base64 {good} "),
    ] {
        let verdict = check(standard(&signature), &[secret(SECRET_A)], AT_S);
        assert!(matches!(verdict, Verdict::Valid { .. }), "{signature}");
    }
}

#[test]
fn forms_that_are_no_proof() {
    let secrets = [secret(SECRET_A)];
    let good = sign_ecosystem(&secrets[0], BODY.as_bytes());
    let digits = &good["sha256=".len()..];
    for bad in
        [digits, &format!("SHA256={digits}"), &good[..good.len() - 2], &format!("{good}00"), "sha256=", ""]
    {
        assert_eq!(check(ecosystem(bad), &secrets, AT_S), Verdict::BadSignature, "{bad}");
    }
    let good = sign_standard(&[&secrets[0]], ID, AT_S, BODY.as_bytes());
    for bad in [&good[3..], &good.replace("v1,", "v2,"), "", "v1,"] {
        assert_eq!(check(standard(bad), &secrets, AT_S), Verdict::BadSignature, "{bad}");
    }
}

#[test]
fn an_incomplete_set_of_headers_is_missing_proof() {
    let secrets = [secret(SECRET_A)];
    let hex = sign_ecosystem(&secrets[0], BODY.as_bytes());
    let items = sign_standard(&[&secrets[0]], ID, AT_S, BODY.as_bytes());
    for headers in [
        ProofHeaders::default(),
        ProofHeaders { timestamp: None, ..ecosystem(&hex) },
        ProofHeaders { signature: None, ..ecosystem(&hex) },
        ProofHeaders { webhook_id: None, ..standard(&items) },
        ProofHeaders { webhook_timestamp: None, ..standard(&items) },
        ProofHeaders { webhook_signature: None, ..standard(&items) },
    ] {
        assert_eq!(check(headers, &secrets, AT_S), Verdict::Missing, "{headers:?}");
    }
}

#[test]
fn the_window_is_symmetric_with_both_edges_inside() {
    let secrets = [secret(SECRET_A)];
    let hex = sign_ecosystem(&secrets[0], BODY.as_bytes());
    let items = sign_standard(&[&secrets[0]], ID, AT_S, BODY.as_bytes());
    for headers in [ecosystem(&hex), standard(&items)] {
        for inside in [AT_S - 300, AT_S, AT_S + 300] {
            assert!(matches!(check(headers, &secrets, inside), Verdict::Valid { .. }), "{inside}");
        }
        for outside in [AT_S - 301, AT_S + 301] {
            let by = Duration::from_secs(1);
            assert_eq!(check(headers, &secrets, outside), Verdict::OutOfWindow { by });
        }
    }
}

#[test]
fn one_stale_scheme_does_not_spoil_a_fresh_one() {
    let secrets = [secret(SECRET_A)];
    let hex = sign_ecosystem(&secrets[0], BODY.as_bytes());
    let items = sign_standard(&[&secrets[0]], ID, AT_S, BODY.as_bytes());
    let fresh = (AT_S + 3600).to_string();
    let headers = ProofHeaders { signature: Some(&hex), timestamp: Some(&fresh), ..standard(&items) };
    assert_eq!(
        check(headers, &secrets, AT_S + 3600),
        Verdict::Valid { scheme: Scheme::Ecosystem, secret_index: 0 },
    );
    let headers = ProofHeaders { signature: Some("sha256=00"), ..headers };
    assert!(matches!(check(headers, &secrets, AT_S + 3600), Verdict::OutOfWindow { .. }));
}

#[test]
fn timestamps_are_plain_decimal_integers() {
    let secrets = [secret(SECRET_A)];
    let hex = sign_ecosystem(&secrets[0], BODY.as_bytes());
    for text in [
        "",
        "+1776340800",
        "-1",
        "01776340800",
        "1776340800.0",
        "1776340800 ",
        "1e9",
        "99999999999999999999",
        "٣",
    ] {
        let headers = ProofHeaders { timestamp: Some(text), ..ecosystem(&hex) };
        assert_eq!(check(headers, &secrets, AT_S), Verdict::BadSignature, "{text:?}");
    }
}

#[test]
fn the_decoy_opens_nothing() {
    let forged = Secret::new(std::str::from_utf8(DECOY).unwrap()).unwrap();
    let hex = sign_ecosystem(&forged, BODY.as_bytes());
    let items = sign_standard(&[&forged], ID, AT_S, BODY.as_bytes());
    let both = ProofHeaders { signature: Some(&hex), timestamp: Some("1776340800"), ..standard(&items) };
    for secrets in [vec![], vec![secret(SECRET_A)]] {
        assert_eq!(check(both, &secrets, AT_S), Verdict::BadSignature);
    }
}

#[test]
fn explain_names_the_mistake() {
    use Mistake::{
        BodyCompact, BodyIndented, BodyPlusNewline, BodyWithoutNewline, KeyDecoded, KeyText,
        KeyWithoutPrefix, TextOfEcosystem, TextOfStandard, TextWithTimestamp,
    };
    let secrets = [secret(SECRET_A)];
    let (text, decoded) = (secrets[0].text_key(), secrets[0].webhook_key());
    let bare = text.strip_prefix(b"whsec_").unwrap();
    let body = BODY.as_bytes();
    let pretty: serde_json::Value = serde_json::from_slice(body).unwrap();
    let pretty = serde_json::to_vec_pretty(&pretty).unwrap();
    let with_newline = [body, b"\n"].concat();
    let standard_parts = standard_text(ID, "1776340800", body);
    for (sent, key, signed, mistake) in [
        (body, text, vec![body, b"\n"], BodyPlusNewline),
        (with_newline.as_slice(), text, vec![body], BodyWithoutNewline),
        (pretty.as_slice(), text, vec![body], BodyCompact),
        (body, text, vec![pretty.as_slice()], BodyIndented),
        (body, decoded, vec![body], KeyDecoded),
        (body, bare, vec![body], KeyWithoutPrefix),
        (body, decoded, standard_parts.to_vec(), TextOfStandard),
        (body, text, standard_parts[2..].to_vec(), TextWithTimestamp),
    ] {
        let signature = format!("sha256={}", hex::encode(mac(key, &signed)));
        let headers = ProofHeaders { webhook_id: Some(ID), ..ecosystem(&signature) };
        let diagnosis = explain(headers, sent, &secrets, at(AT_S), TOLERANCE);
        assert_eq!(diagnosis.verdict, Verdict::BadSignature);
        let wanted = Finding::Would { scheme: Scheme::Ecosystem, mistake };
        assert!(diagnosis.findings.contains(&wanted), "{mistake:?} not in {diagnosis:?}");
    }
    for (key, signed, mistake) in [
        (text, standard_parts.to_vec(), KeyText),
        (bare, standard_parts.to_vec(), KeyWithoutPrefix),
        (decoded, vec![body], TextOfEcosystem),
        (decoded, standard_parts[2..].to_vec(), TextWithTimestamp),
        (decoded, [&standard_parts[..], &[b"\n"]].concat(), BodyPlusNewline),
    ] {
        let signature = format!("v1,{}", BASE64.encode(mac(key, &signed)));
        let diagnosis = explain(standard(&signature), body, &secrets, at(AT_S), TOLERANCE);
        assert_eq!(diagnosis.findings, [Finding::Would { scheme: Scheme::Standard, mistake }]);
    }
}

#[test]
fn explain_reads_the_headers_first() {
    let secrets = [secret(SECRET_B), secret(SECRET_A)];
    let hex = sign_ecosystem(&secrets[1], BODY.as_bytes());
    let items = sign_standard(&[&secrets[1]], ID, AT_S, BODY.as_bytes());
    let told = |headers, now_s| explain(headers, BODY.as_bytes(), &secrets, at(now_s), TOLERANCE).findings;
    let holds = |scheme| Finding::Holds { scheme, secret_index: 1 };
    let (eco, std) = (holds(Scheme::Ecosystem), holds(Scheme::Standard));
    assert_eq!(told(ProofHeaders::default(), AT_S), [Finding::NoProof]);
    assert_eq!(told(ecosystem(&hex), AT_S), std::slice::from_ref(&eco));
    assert_eq!(told(standard(&items), AT_S), [std]);
    assert_eq!(told(ecosystem(&hex["sha256=".len()..]), AT_S), [Finding::PrefixMissing, eco.clone()]);
    assert_eq!(told(ecosystem("sha256=xyz"), AT_S), [Finding::NotHex]);
    assert_eq!(told(ecosystem("sha256=abcd"), AT_S), [Finding::HexLength(4)]);
    assert_eq!(
        told(ProofHeaders { timestamp: None, ..ecosystem(&hex) }, AT_S),
        [Finding::HeaderMissing(ECOSYSTEM_TIMESTAMP), eco.clone()],
    );
    assert_eq!(
        told(ProofHeaders { timestamp: Some("1776340800000"), ..ecosystem(&hex) }, AT_S),
        [Finding::TimestampInMilliseconds(ECOSYSTEM_TIMESTAMP), eco.clone()],
    );
    assert_eq!(
        told(ecosystem(&hex), AT_S + 310),
        [
            Finding::OutOfWindow { header: ECOSYSTEM_TIMESTAMP, by: Duration::from_secs(10), ahead: false },
            eco,
        ],
    );
    assert_eq!(told(standard("v1a,xyz"), AT_S), [Finding::NoVersionOneItem]);
    let foreign = sign_ecosystem(&secret("somebody else's"), BODY.as_bytes());
    assert_eq!(told(ecosystem(&foreign), AT_S), [Finding::NothingMatches(Scheme::Ecosystem)]);
}

proptest! {
    #[test]
    fn what_is_signed_verifies(key in "[!-~]{1,80}", body: Vec<u8>, id in "[A-Za-z0-9_-]{1,40}", at_s in 0u64..9_999_999_999) {
        prop_assume!(!key.starts_with("whsec_"));
        let secrets = [secret(&key)];
        let timestamp = at_s.to_string();
        let hex = sign_ecosystem(&secrets[0], &body);
        let items = sign_standard(&[&secrets[0]], &id, at_s, &body);
        let both = ProofHeaders {
            signature: Some(&hex),
            timestamp: Some(&timestamp),
            webhook_id: Some(&id),
            webhook_timestamp: Some(&timestamp),
            webhook_signature: Some(&items),
        };
        for headers in [
            both,
            ProofHeaders { signature: None, ..both },
            ProofHeaders { webhook_signature: None, ..both },
        ] {
            let valid = matches!(
                verify(headers, &body, &secrets, at(at_s), TOLERANCE),
                Verdict::Valid { secret_index: 0, .. }
            );
            prop_assert!(valid);
        }
    }

    #[test]
    fn a_changed_bit_anywhere_breaks_both(mut body in proptest::collection::vec(any::<u8>(), 1..200), position: prop::sample::Index, bit in 0u8..8) {
        let secrets = [secret(SECRET_A)];
        let hex = sign_ecosystem(&secrets[0], &body);
        let items = sign_standard(&[&secrets[0]], ID, AT_S, &body);
        let index = position.index(body.len());
        body[index] ^= 1 << bit;
        for headers in [ecosystem(&hex), standard(&items)] {
            prop_assert_eq!(
                verify(headers, &body, &secrets, at(AT_S), TOLERANCE),
                Verdict::BadSignature
            );
        }
    }

    #[test]
    fn no_header_text_makes_it_panic(signature: String, timestamp: String, id: String, items: String) {
        let headers = ProofHeaders {
            signature: Some(&signature),
            timestamp: Some(&timestamp),
            webhook_id: Some(&id),
            webhook_timestamp: Some(&timestamp),
            webhook_signature: Some(&items),
        };
        let secrets = [secret(SECRET_A)];
        prop_assert_eq!(check(headers, &secrets, AT_S), Verdict::BadSignature);
        explain(headers, BODY.as_bytes(), &secrets, at(AT_S), TOLERANCE);
    }
}
