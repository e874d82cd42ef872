//! What holds for the classifier whatever it is given. How good it is is measured in `tests/triage.rs`.

use proptest::prelude::*;

use super::*;

fn ticket<'a>(subject: &'a str, description: &'a str) -> Ticket<'a> {
    Ticket { source: "constanza", subject, description }
}

#[test]
fn plain_tickets_are_told_apart() {
    let triage = Triage::taught();
    for (subject, description, category, language) in [
        ("Error al timbrar", "Desde ayer no puedo timbrar, marca error", Category::Bug, Language::Es),
        ("Refund", "You charged my subscription twice, I want a refund", Category::Billing, Language::En),
        ("Sugerencia", "Me gustaría que se pudiera exportar por mes", Category::Feature, Language::Es),
        ("How do I", "How do I change the text of the receipt?", Category::Question, Language::En),
        ("Gracias", "Solo quería agradecer, muchas gracias por todo", Category::Other, Language::Es),
    ] {
        let verdict = triage.classify(&ticket(subject, description));
        assert_eq!((verdict.category, verdict.language), (category, language), "{verdict:?}");
        assert!(verdict.confidence > 40 && verdict.reason.contains('"'), "{verdict:?}");
    }
}

#[test]
fn nothing_written_is_nothing_pressing() {
    let verdict = Triage::taught().classify(&ticket("", " \n"));
    assert_eq!((verdict.category, verdict.priority, verdict.confidence), (Category::Other, Priority::Low, 0));
}

#[test]
fn corrections_are_learned_and_bounded() {
    let mut triage = Triage::taught();
    let odd = ticket("Zanfoña", "La zanfoña del vestíbulo");
    for _ in 0..500 {
        triage.correct(&odd, Some(Category::Onboarding), Some(Priority::High), Some(Area::Crm));
    }
    let verdict = triage.classify(&odd);
    assert_eq!(
        (verdict.category, verdict.priority, verdict.area),
        (Category::Onboarding, Priority::High, Area::Crm)
    );
    assert!(triage.largest() <= 3.0);
    let plain = triage.classify(&ticket("Error al timbrar", "No puedo timbrar, marca error"));
    assert_eq!(plain.category, Category::Bug, "what it knew it still knows");
}

#[test]
fn it_comes_out_the_same_each_time() {
    let said = ticket("Cobro doble", "me cobraron dos veces la mensualidad");
    let first = Triage::taught().classify(&said);
    let mut other = Triage::taught();
    other.correct(&said, Some(Category::Bug), None, None);
    assert_eq!(Triage::taught().classify(&said), first);
}

proptest! {
    #[test]
    fn any_text_gets_a_verdict(subject in ".{0,80}", description in ".{0,400}") {
        let verdict = Triage::taught().classify(&ticket(&subject, &description));
        prop_assert!(verdict.confidence <= 100);
        prop_assert!(!verdict.reason.is_empty());
    }
}
