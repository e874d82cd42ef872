//! Every text of the pages, in Spanish and in English.

macro_rules! texts {
    ($($name:ident: $es:literal, $en:literal;)+) => {
        /// One text of the pages.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(in crate::web) enum Text {
            $($name,)+
        }

        impl Text {
            /// All of them.
            #[cfg(test)]
            pub(super) const ALL: &[Self] = &[$(Self::$name),+];

            /// In Spanish and in English.
            pub(super) const fn pair(self) -> (&'static str, &'static str) {
                match self { $(Self::$name => ($es, $en),)+ }
            }
        }
    };
}

texts! {
    // The frame.
    SkipToContent: "Ir al contenido", "Skip to content";
    Menu: "Menú", "Menu";
    Hub: "Hub", "Hub";
    SignedInAs: "Con la llave", "Signed in with";
    SignIn: "Entrar", "Sign in";
    SignOut: "Salir", "Sign out";
    SignInLead: "El panel del broker de eventos. Entra con una llave que tenga al menos el alcance read.", "The event broker's dashboard. Sign in with a key that has at least the scope read.";
    Key: "Llave", "Key";
    KeyHint: "camino keys create hace una; la primera está en admin.key, en la carpeta de datos.", "camino keys create makes one; the first one is in admin.key in the data folder.";
    WrongKey: "Esta llave no es válida.", "This key is not valid.";
    KeyOpensNoPages: "Esta llave es válida, pero no abre el panel: necesita el alcance read sobre todas las organizaciones.", "This key is valid but does not open the dashboard: it needs the scope read over all organizations.";
    Trouble: "No se pudo", "That did not work";
    SentAlready: "Ya se había enviado", "Sent already";
    SentAlreadyLead: "Este formulario ya se envió una vez, y no se hizo nada de nuevo.", "This form was sent once before, and nothing was done again.";
    SentAlreadyMeans: "Para hacerlo otra vez, abre la página de nuevo. Un secreto o una llave nuevos aparecen solo en la página que los creó.", "To do it once more, open the page again. A new secret or key is shown only on the page that made it.";
    BackToOverview: "Volver al resumen", "Back to the overview";
    Back: "Volver", "Back";
    NoLongerLive: "Esta página ya no se actualiza.", "This page is no longer live.";
    SignInAgain: "Entra otra vez", "Sign in again";
    OlderEntries: "Anteriores →", "Older →";
    Any: "cualquiera", "any";
    None: "ninguno", "none";
    Search: "Buscar", "Search";
    ClearFilters: "Quitar filtros", "Clear filters";
    Words: "Texto", "Text";
    WordsHint: "parte de un id, del correlationId…", "part of an id, of the correlationId…";
    NothingFound: "Nada coincide con estos filtros.", "Nothing matches these filters.";
    NothingFoundMend: "Quita un filtro, o amplía las fechas.", "Take a filter away, or widen the dates.";
    NothingSoFar: "Nada en los eventos más recientes.", "Nothing among the latest events.";
    NothingSoFarMend: "«Anteriores» sigue buscando hacia atrás; un receptor o un estado lo hace más rápido.", "“Older” goes on looking further back; a receiver or a state makes that faster.";
    Actions: "Acciones", "Actions";
    Cancel: "Cancelar", "Cancel";
    // Places.
    Overview: "Resumen", "Overview";
    Events: "Eventos", "Events";
    Endpoints: "Endpoints", "Endpoints";
    DeadLetters: "Sin entrega", "Dead letters";
    Quarantine: "Cuarentena", "Quarantine";
    Replays: "Reenvíos", "Replays";
    Registry: "Registro", "Registry";
    Contacts: "Contactos", "Contacts";
    Subscriptions: "Suscripciones", "Subscriptions";
    Tickets: "Tickets", "Tickets";
    Keys: "Llaves", "Keys";
    AuditLog: "Auditoría", "Audit log";
    Administration: "Administración", "Administration";
    // The overview.
    Now: "Ahora", "Now";
    AcceptedRate: "Aceptados", "Accepted";
    DeliveredRate: "Entregados", "Delivered";
    Waiting: "Por entregar", "Waiting";
    JournalLag: "Retraso del diario", "Journal lag";
    EventsKept: "Eventos guardados", "Events kept";
    NeedsAPerson: "Requiere a alguien", "Needs a person";
    DeadShort: "sin entrega", "dead";
    QuarantineShort: "en cuarentena", "in quarantine";
    Receivers: "Receptores", "Receivers";
    Receiver: "Receptor", "Receiver";
    State: "Estado", "State";
    Breaker: "Interruptor", "Breaker";
    Oldest: "Más antiguo", "Oldest";
    Lag: "Demora p95", "Lag p95";
    Outcomes: "Resultados", "Outcomes";
    TenMinutes: "10 minutos", "10 minutes";
    NoEndpoints: "Ninguna aplicación tiene endpoint.", "No app has an endpoint.";
    NoEndpointsMend: "Agrega [apps.<app>] con endpoint y endpoint_secrets a config.toml, o usa PUT /v1/endpoints/<app>.", "Add [apps.<app>] with endpoint and endpoint_secrets to config.toml, or use PUT /v1/endpoints/<app>.";
    // Events.
    AcceptedAt: "Aceptado", "Accepted";
    Type: "Tipo", "Type";
    Source: "Origen", "Source";
    Organization: "Organización", "Organization";
    EventId: "Id del evento", "Event id";
    Since: "Desde", "Since";
    Until: "Hasta", "Until";
    HeldFor: "En cuarentena por", "Held for";
    NoEvents: "Todavía no ha llegado ningún evento.", "No event has come yet.";
    NoEventsMend: "camino send firma y envía uno de prueba.", "camino send signs and sends a test event.";
    NoReceivers: "sin receptores", "no receivers";
    // One event.
    StepAccepted: "Aceptado", "Accepted";
    StepDecided: "Decisiones", "Decisions";
    StepDelivery: "Entrega a", "Delivery to";
    OwnTime: "Hora del origen", "Its own time";
    ProvedBy: "Prueba de origen", "Proved by";
    CorrelationId: "Id de correlación", "Correlation id";
    DidYouMean: "¿Quisiste decir", "Did you mean";
    Decision: "Decisión", "Decision";
    Why: "Por qué", "Why";
    NotRoutedYet: "Está en cuarentena: todavía no se decide quién lo recibe.", "It is in quarantine: who receives it is not decided yet.";
    NobodyReceives: "Nadie recibe este tipo.", "Nobody receives this type.";
    DeliveredAt: "Entregado", "Delivered";
    WaitsUntil: "Espera hasta", "Waits until";
    LetGo: "Alguien ya se ocupó", "Somebody has dealt with it";
    MadeAgain: "Es un reenvío", "It was made again";
    Retry: "Reintentar", "Retry";
    SendAgain: "Enviar de nuevo", "Send again";
    MoreFilters: "Más filtros", "More filters";
    RetrySent: "Se envía de nuevo a", "It is being sent again to";
    Attempt: "Intento", "Attempt";
    Attempts: "Intentos", "Attempts";
    Began: "Cuándo", "When";
    Took: "Duración", "Took";
    Answer: "Respuesta", "Answer";
    Said: "Lo que dijo", "What it said";
    Probe: "sonda", "probe";
    Body: "Cuerpo", "Body";
    BodyGone: "El cuerpo ya pasó su retención.", "The body is past its retention.";
    BodyCut: "El cuerpo sigue; la API (GET /v1/events/{id}) lo da completo.", "There is more of the body; the API (GET /v1/events/{id}) gives all of it.";
    ItsEvents: "Sus eventos", "Its events";
    ItsEvent: "Su evento", "Its event";
    // Endpoints.
    Retrying: "En reintento", "Retrying";
    InFlight: "En curso", "In flight";
    Address: "Dirección", "Address";
    InProcess: "dentro del proceso", "in process";
    NextProbe: "próxima sonda", "next probe";
    LiveSecrets: "Secretos vigentes", "Live secrets";
    RateCap: "Tope por segundo", "Rate cap";
    Timeout: "Espera máxima", "Timeout";
    Origin: "Viene de", "Origin";
    AttemptsTook: "Duración de los intentos", "How long attempts took";
    Pause: "Pausar", "Pause";
    PauseMeans: "En pausa, sus entregas esperan sin gastar intentos; al reanudar salen en orden.", "While paused its deliveries wait and use up no attempts; on resume they go out in order.";
    Paused: "en pausa", "paused";
    Resume: "Reanudar", "Resume";
    Resumed: "reanudado", "resumed";
    SendTest: "Enviar prueba", "Send a test";
    Reset: "Volver a la configuración", "Back to the config";
    ResetDone: "vale de nuevo la configuración", "the config is in force again";
    RotateSecret: "Cambiar el secreto", "Rotate the secret";
    RotateMeans: "El secreto nuevo firma desde ahora; el anterior firma también, hasta el próximo cambio.", "The new secret signs from now on; the one before signs along until the next rotation.";
    RotateNow: "Crear un secreto nuevo", "Make a new secret";
    TestAnswered: "Prueba enviada", "Test sent";
    NewSecret: "Secreto nuevo", "New secret";
    SecretOnce: "Se muestra solo esta vez. Guárdalo ahora en el receptor.", "It is shown only this once. Put it into the receiver now.";
    SecretExcept: "Tienen secretos propios, que solo cambia la configuración:", "These have secrets of their own, which only the config changes:";
    DrainRate: "Entrega ahora", "Delivers now";
    EmptyIn: "se vacía en", "empty in";
    // Dead letters.
    NoDead: "No hay nada sin entrega.", "There are no dead letters.";
    NoDeadMend: "Lo que un receptor rechace, o no reciba a tiempo, aparece aquí.", "What a receiver rejects, or does not take in time, shows up here.";
    ByCause: "Por causa", "By cause";
    OfTheLatest: "De los últimos", "Of the latest";
    HowMany: "Cuántos", "How many";
    OneByOne: "Uno por uno", "One by one";
    CountForRetry: "Reintentar todos: primero contar", "Retry all of these: count first";
    CountForRetryMeans: "Cuenta lo que coincide con los filtros; nada se envía antes de que confirmes.", "Counts what matches the filters; nothing is sent before you confirm.";
    RetryFilterLimits: "Para reintentar muchos, filtra sin texto ni causa.", "To retry many, filter without text and cause.";
    // Quarantine and drift.
    QuarantineMeans: "Eventos de tipos que el registro no puede enrutar. Salen solos cuando el registro aprende el tipo.", "Events of types that the registry can't route. They leave by themselves when the registry learns the type.";
    NoQuarantine: "La cuarentena está vacía.", "The quarantine is empty.";
    NoQuarantineMend: "Aquí llegan los eventos de tipo desconocido.", "Events of unknown types come here.";
    Release: "Liberar", "Release";
    Released: "liberado", "released";
    ReleaseMeans: "Sale a quienes dice el registro, o a los receptores que nombres.", "It goes to whom the registry says, or to the receivers that you name.";
    ReceiversHint: "como dice el registro", "as the registry says";
    Drift: "Diferencias con el registro", "Drift";
    DriftMeans: "Lo que los orígenes envían distinto de lo que dice el registro. Se acepta y se cuenta.", "What senders send otherwise than the registry says. It is accepted and counted.";
    NoDrift: "Todo llega como dice el registro.", "Everything comes as the registry says.";
    NoDriftMend: "Las diferencias se cuentan aquí por origen, tipo y campo.", "Differences are counted here by source, type and field.";
    Field: "Campo", "Field";
    Difference: "Diferencia", "Difference";
    LastSeen: "Última vez", "Last seen";
    // The registry.
    RegistryHint: "parte de un tipo, de una descripción o de una aplicación", "part of a type, a description or an app";
    TypesCounted: "tipos", "types";
    WhatHappened: "Qué pasó", "What happened";
    Senders: "Orígenes", "Senders";
    MaybeMore: "(quizá haya más)", "(there may be more)";
    Example: "Ejemplo de data", "Example of data";
    Schema: "Esquema de data", "Schema of data";
    TypeTestMeans: "El ejemplo sale firmado, como un evento de este tipo, de Camino y con \"test\": true. Un receptor que no mira esa marca puede tomarlo en serio.", "The example goes out signed, as an event of this type, from Camino and with \"test\": true. A receiver that does not look at that mark may take it for real.";
    NoSchema: "Nadie ha descrito todavía cómo es su data.", "Nobody has described its data yet.";
    // Replays.
    NewReplay: "Nuevo reenvío", "New replay";
    EndedAs: "Terminaron", "Ended as";
    RatePerSecond: "Por segundo", "Per second";
    CountFirst: "Contar primero", "Count first";
    CountedMore: "Ahora coinciden más que cuando se contó. Mira de nuevo: todavía no se envía nada.", "More match by now than were counted. Look again: nothing has been sent yet.";
    CountedLead: "Esto se enviaría de nuevo. Todavía no se envía nada.", "This would be sent again. Nothing has been sent yet.";
    Takes: "Tarda unos", "Takes about";
    BeginReplay: "Reenviar", "Replay";
    ReplayBegun: "Reenvío en curso", "Replay under way";
    ReplayCancelled: "Reenvío cancelado.", "Replay cancelled.";
    Asked: "Qué", "What";
    Matched: "Coinciden", "Matched";
    Done: "Hechos", "Done";
    Skipped: "Omitidos", "Skipped";
    Everything: "todo", "everything";
    NoReplays: "Nadie ha reenviado nada.", "Nobody has replayed anything.";
    NoReplaysMend: "Abre «Nuevo reenvío»: primero se cuenta, después se confirma.", "Open “New replay”: it counts first, then you confirm.";
    // Contacts.
    Name: "Nombre", "Name";
    Email: "Correo", "Email";
    Phone: "Teléfono", "Phone";
    Changed: "Cambió", "Changed";
    ContactHint: "nombre, correo, teléfono, RFC o etiqueta", "name, email, phone, tax id or tag";
    NoContacts: "Todavía no hay contactos.", "There are no contacts yet.";
    NoContactsMend: "Nacen de los eventos que nombran a una persona o empresa.", "They come from events that name a person or a firm.";
    TaxId: "RFC", "Tax id";
    Tags: "Etiquetas", "Tags";
    KnownAs: "Conocido como", "Known as";
    FirstSeen: "Primera vez", "First seen";
    DeletionAsked: "Pidió su borrado", "Deletion asked";
    PartOf: "Forma parte de", "Part of";
    Timeline: "Historia", "Timeline";
    NothingHappened: "Todavía no ha pasado nada.", "Nothing has happened yet.";
    // Subscriptions.
    App: "Aplicación", "App";
    Plan: "Plan", "Plan";
    PeriodEnds: "Fin del periodo", "Period ends";
    TrialEnds: "Fin de la prueba", "Trial ends";
    NextStep: "Próximo paso", "Next step";
    History: "Historia", "History";
    ChangeSubscription: "Cambiar", "Change";
    Change: "Cambio", "Change";
    NewPlan: "Plan nuevo", "New plan";
    NewPlanHint: "solo al cambiar de plan", "only to change the plan";
    NoSubscriptions: "Todavía no hay suscripciones.", "There are no subscriptions yet.";
    NoSubscriptionsMend: "Nacen de los eventos subscription.* o de POST /api/subscriptions.", "They come from subscription.* events or POST /api/subscriptions.";
    // Tickets.
    OpenedAt: "Abierto", "Opened";
    OpenedBy: "Lo abrió", "Opened by";
    Subject: "Asunto", "Subject";
    Category: "Categoría", "Category";
    Priority: "Prioridad", "Priority";
    Area: "Área", "Area";
    EscalatesAt: "Se escala", "Escalates at";
    EscalationLevel: "Nivel de escalación", "Escalation level";
    Assignee: "A cargo", "Assignee";
    Note: "Nota", "Note";
    Triage: "Clasificación", "Triage";
    DecidedBy: "Lo decidió", "Decided by";
    ChangeTicket: "Corregir", "Correct";
    ChangeTicketMeans: "El clasificador aprende de lo que cambies en categoría, prioridad y área.", "The classifier learns from what you change in category, priority and area.";
    Save: "Guardar", "Save";
    Saved: "Guardado.", "Saved.";
    NothingChanged: "No cambió nada.", "Nothing was changed.";
    NoTickets: "No hay tickets.", "There are no tickets.";
    NoTicketsMend: "Nacen de los eventos de soporte de las aplicaciones.", "They come from the apps' support events.";
    // Keys.
    KeysMean: "Quién puede hacer qué. El texto de una llave se muestra una sola vez, cuando se crea.", "Who may do what. A key's text is shown only once, when it is made.";
    NewKey: "Nueva llave", "New key";
    KeyNameHint: "para quién es", "whom it is for";
    KeySource: "Origen (solo events:write)", "Source (events:write only)";
    ExpiresAt: "Vence", "Expires";
    Scopes: "Alcances", "Scopes";
    ScopeRead: "ver todo, menos secretos", "see everything but secrets";
    ScopeOperate: "además reintentar, reenviar, liberar, pausar", "also retry, replay, release, pause";
    ScopeAdmin: "además llaves, endpoints y secretos", "also keys, endpoints and secrets";
    ScopeWrite: "enviar eventos de un origen, nada más", "post events of one source, nothing else";
    MakeKey: "Crear", "Make it";
    NewKeyMade: "Llave nueva:", "New key:";
    KeyOnce: "Se muestra solo esta vez. Guárdala ahora.", "It is shown only this once. Keep it now.";
    KeyFor: "Sobre", "Over";
    MadeAt: "Creada", "Made";
    LastUsed: "Último uso", "Last used";
    Revoke: "Revocar", "Revoke";
    Revoked: "revocada", "revoked";
    Expired: "vencida", "expired";
    Valid: "vigente", "valid";
    KeyRevoked: "La llave ya no abre nada.", "The key opens nothing any more.";
    NoKeys: "Solo existe la llave del administrador.", "There is only the administrator's key.";
    NoKeysMend: "Crea una para cada persona y programa; así cada quien aparece en la auditoría.", "Make one for each person and program, so that the audit log tells them apart.";
    // The audit log.
    Who: "Quién", "Who";
    Did: "Qué hizo", "Did what";
    Target: "A qué", "To what";
    Detail: "Detalle", "Detail";
    NoAudit: "Nadie ha cambiado nada.", "Nobody has changed anything.";
    NoAuditMend: "Cada cambio queda aquí con quién lo hizo.", "Each change is kept here with who made it.";
}
