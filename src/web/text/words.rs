//! Words of the API, as people read them in each language.

/// A word, in Spanish, in English.
type Word = (&'static str, &'static str, &'static str);

/// States, decisions and reasons.
pub(super) const WORDS: &[Word] = &[
    // Deliveries and events.
    ("pending", "pendiente", "pending"),
    ("delivered", "entregado", "delivered"),
    ("parked", "en espera", "parked"),
    ("dead", "sin entrega", "dead"),
    ("cancelled", "cancelado", "cancelled"),
    ("routed", "enrutado", "routed"),
    ("quarantined", "en cuarentena", "quarantined"),
    ("released", "liberado", "released"),
    // Decisions.
    ("queued", "en cola", "queued"),
    ("no_endpoint", "sin endpoint", "no endpoint"),
    ("own_event", "evento propio", "own event"),
    ("filtered", "filtrado", "filtered"),
    // Why a delivery waits or died.
    ("status", "el receptor respondió con un error", "the receiver answered with an error"),
    ("timeout", "el receptor no respondió a tiempo", "the receiver did not answer in time"),
    ("connect", "no hubo conexión", "no connection"),
    ("tls", "falló TLS", "TLS failed"),
    ("dns", "no se encontró el nombre", "the name was not found"),
    ("redirect", "el receptor redirigió", "the receiver redirected"),
    ("gone", "el receptor dijo que ya no existe", "the receiver said that it is gone"),
    ("rejected", "el receptor lo rechazó", "the receiver rejected it"),
    ("blocked_address", "dirección no permitida", "address not allowed"),
    ("exhausted", "se agotaron los intentos", "attempts used up"),
    ("expired", "pasó su tiempo máximo", "past its longest time"),
    ("unsent", "no se pudo enviar", "could not be sent"),
    ("paused", "en pausa", "paused"),
    ("disabled", "desactivado", "disabled"),
    ("breaker_open", "interruptor abierto", "breaker open"),
    // Quarantine.
    ("unknown_type", "tipo desconocido", "unknown type"),
    ("type_incomplete", "tipo incompleto", "type incomplete"),
    // Endpoints.
    ("active", "activo", "active"),
    ("config", "configuración", "config"),
    ("overlay", "cambiado por una persona", "changed by a person"),
    ("retry", "se reintentaría", "would be tried again"),
    ("blocked", "bloqueado", "blocked"),
    // Replays.
    ("running", "en curso", "running"),
    ("done", "terminado", "done"),
    // Who decided about a ticket.
    ("offline", "el clasificador local", "the local classifier"),
    ("hosted", "el modelo externo", "the hosted model"),
    ("person", "una persona", "a person"),
];

/// A subscription: how it stands, what was said of it, what comes next.
pub(super) const SUBSCRIPTION: &[Word] = &[
    ("trialing", "a prueba", "on trial"),
    ("active", "activa", "active"),
    ("past_due", "con adeudo", "past due"),
    ("suspended", "suspendida", "suspended"),
    ("pending_cancellation", "termina con su periodo", "ends with its period"),
    ("cancelled", "cancelada", "cancelled"),
    ("expired", "vencida", "expired"),
    // What is said.
    ("trial_started", "comenzó la prueba", "a trial began"),
    ("activated", "se activó", "activated"),
    ("renewed", "se renovó", "renewed"),
    ("plan_changed", "cambió de plan", "plan changed"),
    ("payment_failed", "falló el cobro", "a charge failed"),
    ("resumed", "se reanudó", "resumed"),
    ("cancellation_scheduled", "se programó su fin", "its end was scheduled"),
    // What the clock will say.
    ("trial_expiring", "aviso: termina la prueba", "a word that the trial ends"),
    ("trial_ended", "termina la prueba", "the trial ends"),
    ("renewal_missed", "nadie la renovó", "nobody has renewed it"),
    ("grace_ended", "termina la gracia", "the grace ends"),
    ("restore_ended", "termina el plazo para pagar", "the time to pay ends"),
    ("last_day", "último día", "the last day"),
    // What became of what was said.
    ("applied", "aplicado", "applied"),
    ("late", "llegó tarde", "came late"),
    ("repeated", "repetido", "said again"),
    ("illegal", "no cabe en su estado", "does not fit its state"),
    // What a person may ask.
    ("renew", "renovar", "renew"),
    ("resume", "reanudar", "resume"),
    ("activate", "activar", "activate"),
    ("suspend", "suspender", "suspend"),
    ("cancel", "cancelar al fin del periodo", "cancel with the period"),
    ("cancel_now", "cancelar hoy", "cancel now"),
    ("plan", "cambiar de plan", "change the plan"),
];

/// What a ticket is about, and how pressing it is.
pub(super) const TRIAGE: &[Word] = &[
    ("bug", "falla", "bug"),
    ("feature", "idea", "feature"),
    ("question", "pregunta", "question"),
    ("billing", "cobros", "billing"),
    ("onboarding", "primeros pasos", "onboarding"),
    ("other", "otra cosa", "other"),
    ("low", "baja", "low"),
    ("medium", "media", "medium"),
    ("high", "alta", "high"),
    ("urgent", "urgente", "urgent"),
    ("payments", "pagos", "payments"),
    ("invoicing", "facturación", "invoicing"),
    ("subscription", "suscripción", "subscription"),
    ("access", "acceso", "access"),
    ("appointments", "citas", "appointments"),
    ("sales", "ventas", "sales"),
    ("logistics", "envíos", "logistics"),
    ("crm", "clientes", "customers"),
    ("reports", "reportes", "reports"),
    ("integrations", "integraciones", "integrations"),
    ("messages", "mensajes", "messages"),
    ("general", "general", "general"),
];

/// Problems that a page can end in: the code, its title and its mend in Spanish. The API's table has the English.
pub(super) const PROBLEMS: &[Word] = &[
    ("resource.not_found", "Eso no existe", "Revisa la ruta y el id."),
    ("resource.state_conflict", "Su estado no lo permite", "Vuelve a verlo; el detalle dice qué lo impide."),
    ("request.invalid", "Falta algo en la petición, o no es válido", "Corrige lo que dice el detalle."),
    ("request.method_not_allowed", "Esa ruta no acepta este método", "Vuelve a la página y usa sus botones."),
    (
        "form.foreign",
        "El formulario no viene de una página de este broker",
        "Carga la página otra vez y envíalo desde ahí.",
    ),
    ("key.scope_missing", "La llave no permite esto", "Usa una llave con el alcance que dice el detalle."),
    (
        "key.slowed",
        "Demasiadas llaves equivocadas desde esta dirección",
        "Corrige la llave y espera unos segundos.",
    ),
    ("body.too_large", "El formulario es demasiado largo", "Envía menos texto."),
    ("body.timeout", "El formulario llegó demasiado lento", "Envíalo otra vez."),
    ("body.unreadable", "El formulario llegó incompleto", "Envíalo otra vez."),
    ("store.full", "No hay espacio en el disco", "Quien opera el broker tiene que liberar espacio."),
    ("store.failing", "El almacén no acepta cambios", "El log del broker dice qué falló."),
    (
        "server.overloaded",
        "El broker tiene más trabajo del que puede",
        "Inténtalo de nuevo en unos segundos.",
    ),
    ("server.draining", "El broker se está deteniendo", "Inténtalo de nuevo en unos segundos."),
    ("server.internal", "El broker falló", "Dile a quien opera el broker el id de correlación."),
];

/// A breaker.
pub(super) const BREAKER: &[Word] =
    &[("closed", "cerrado", "closed"), ("open", "abierto", "open"), ("half_open", "a prueba", "half open")];

/// A ticket.
pub(super) const TICKET: &[Word] = &[
    ("open", "abierto", "open"),
    ("in_progress", "en curso", "in progress"),
    ("resolved", "resuelto", "resolved"),
    ("closed", "cerrado", "closed"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::outcome::Reason;
    use crate::domain::routing::Decision;
    use crate::domain::subscription::{State, Timer, Trigger};
    use crate::domain::triage::{Area, Category, Priority};
    use crate::http::problem::Code;
    use crate::hub::tickets::reading::STATUSES;
    use crate::store::journal::{ShownReason, ShownState};

    #[test]
    fn every_state_decision_and_reason_has_its_words() {
        let states = ["pending", "delivered", "parked", "dead", "cancelled"];
        assert!(states.iter().all(|word| ShownState::parse(word).is_some()));
        let decisions = [Decision::NoEndpoint, Decision::OwnEvent, Decision::Filtered, Decision::Queued];
        let reasons = Reason::ALL.iter().map(|reason| reason.as_str());
        let wanted = states.into_iter().chain(ShownReason::words()).chain(reasons);
        for word in wanted.chain(decisions.iter().map(|decision| decision.as_str())) {
            assert!(WORDS.iter().any(|(known, _, _)| *known == word), "{word}");
        }
    }

    #[test]
    fn problems_have_known_codes() {
        for (code, _, mend) in PROBLEMS {
            assert!(Code::ALL.iter().any(|known| known.as_str() == *code), "{code}");
            assert!(mend.ends_with('.'), "{code}");
        }
    }

    #[test]
    fn every_word_of_the_hub_has_its_words() {
        let subscription = State::ALL.iter().map(|word| word.as_str());
        let subscription = subscription.chain(Trigger::ALL.iter().map(|word| word.as_str()));
        for word in subscription.chain(Timer::ALL.iter().map(|word| word.as_str())) {
            assert!(SUBSCRIPTION.iter().any(|(known, _, _)| *known == word), "{word}");
        }
        let triage = Category::ALL.iter().map(|word| word.as_str());
        let triage = triage.chain(Priority::ALL.iter().map(|word| word.as_str()));
        for word in triage.chain(Area::ALL.iter().map(|word| word.as_str())) {
            assert!(TRIAGE.iter().any(|(known, _, _)| *known == word), "{word}");
        }
        assert!(STATUSES.iter().all(|word| TICKET.iter().any(|(known, _, _)| known == word)));
    }

    #[test]
    fn no_word_stands_twice_and_none_is_empty() {
        for words in [WORDS, SUBSCRIPTION, TRIAGE, PROBLEMS, BREAKER, TICKET] {
            for (at, (word, es, en)) in words.iter().enumerate() {
                assert!(!es.is_empty() && !en.is_empty(), "{word}");
                assert!(words[..at].iter().all(|(other, _, _)| other != word), "{word}");
            }
        }
    }
}
